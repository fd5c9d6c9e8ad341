"""Addresses that show keys that are none: after so many they wait, before anything is looked up.

Nobody guesses 256 bits; this keeps whoever tries from keeping the database busy. Keys that are
known by now are let in from anywhere, so that one broken client doesn't shut out its neighbours.
"""

from libs.common.limits import PolicyFile
from services.gateway.clientip import counted
from services.gateway.limits import REFUSED, Verdict, headers
from services.gateway.locallimits import LocalLimits

POLICY = "guesses"


class Guesses:
    def __init__(self, policies: PolicyFile) -> None:
        self._policies = policies
        self._failed = LocalLimits()

    def failed(self, ip: str) -> None:
        policy = self._policies.current.find(POLICY)
        if policy is not None:
            self._failed.add(POLICY, counted(ip), policy)

    def verdict(self, ip: str) -> Verdict | None:
        """A refusal when this address has failed too often of late."""
        policy = self._policies.current.find(POLICY)
        if policy is None or policy.shadow:
            return None
        wait = self._failed.wait(POLICY, counted(ip), policy)
        if wait <= 0:
            return None
        REFUSED.labels(POLICY).inc()
        state = self._failed.state(POLICY, counted(ip), policy)
        return Verdict(headers([state]), retry_after=wait, policy=POLICY)

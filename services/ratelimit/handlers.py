"""``ratelimit.check``: names to policies, one atomic charge, the decision."""

from prometheus_client import Counter

from libs.common.calls import CheckLimits, Decision
from libs.common.envelope import Context
from libs.common.limits import PolicyFile
from services.ratelimit.window import Charge, Windows

DECISIONS = Counter(
    "chattery_ratelimit_decisions_total",
    "Decisions by the policy that refused (empty: admitted)",
    ["policy", "outcome"],
)


class Limiter:
    def __init__(self, windows: Windows, policies: PolicyFile) -> None:
        self._windows = windows
        self._policies = policies

    async def check(self, _: Context, request: CheckLimits) -> Decision:
        """Admit a request under all its limits; a policy nobody knows does not limit."""
        charges: dict[str, Charge] = {}
        for hit in request.hits:
            policy = self._policies.current.find(hit.policy, request.plan)
            if policy is not None:
                charge = Charge(hit.policy, hit.subject, policy, hit.cost)
                charges[charge.key] = charge
        if not charges:
            return Decision(allowed=True, limits=[])
        decision, shadowed = await self._windows.charge(list(charges.values()))
        for name in shadowed:
            DECISIONS.labels(name, "shadow").inc()
        DECISIONS.labels(
            decision.denied_by or "", "admitted" if decision.allowed else "refused"
        ).inc()
        return decision

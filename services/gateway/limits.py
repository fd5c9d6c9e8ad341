"""Rate limits at the door: asks the limiter, and decides alone when it does not answer in time.

What this replica admitted is logged here as well, so that a decision made alone continues the
count, and what the limiter admits must fit the log: one replica never admits more than the
limit, whoever decides. A refusal is remembered until it lapses; nothing is asked meanwhile.
"""

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Sequence

import msgspec
from prometheus_client import Counter, Gauge

from libs.common.bus import Bus
from libs.common.calls import LIMITS_CHECK, CheckLimits, Hit, LimitState
from libs.common.envelope import Context
from libs.common.errors import AppError, RateLimited
from libs.common.limits import Policy, PolicyFile
from libs.common.telemetry import log
from services.gateway.locallimits import LocalLimits

BUDGET = 0.020  # seconds to wait for the limiter
TRIPS_AFTER = 5  # failures in a row
OPEN_FOR = 1.0  # seconds without asking once tripped
MAX_DENIALS = 10_000

DECIDED_LOCALLY = Counter(
    "chattery_gateway_limits_decided_locally_total", "Requests the gateway judged by itself"
)
BREAKER_OPEN = Gauge("chattery_gateway_limiter_breaker_open", "1 while the limiter isn't asked")
REFUSED = Counter("chattery_gateway_rate_limited_total", "Requests refused", ["policy"])


class Verdict(msgspec.Struct, frozen=True):
    """Headers for the answer; ``retry_after`` is None when the request is admitted."""

    headers: dict[str, str]
    retry_after: float | None = None
    policy: str = ""


class Charge(msgspec.Struct, frozen=True):
    name: str
    subject: str
    policy: Policy


class Limits:
    def __init__(self, bus: Bus, policies: PolicyFile, *, budget: float = BUDGET) -> None:
        self._bus = bus
        self._policies = policies
        self._version = 0
        self._local = LocalLimits()
        self._breaker = Breaker()
        self._denials: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._budget = budget

    def policy(self, name: str, plan: str) -> Policy | None:
        return self._policies.current.find(name, plan)

    async def check(self, charges: Sequence[Charge], plan: str) -> Verdict:
        """Admit a request under all its limits, or say for how long not."""
        if not charges:
            return Verdict({})
        arrived = self._local.now()
        denied = self._remembered(charges) or self._over_local(charges)
        said: dict[str, LimitState] = {}
        if denied is None:
            denied, said = await self._ask([c for c in charges if c.policy.exact], plan)
        denied = denied or self._over_local(charges)
        if denied is not None:
            return self._refusal(charges, *denied)
        for charge in charges:
            self._local.add(charge.name, charge.subject, charge.policy, arrived)
        return Verdict(headers([said.get(c.name) or self._state(c) for c in charges]))

    def _state(self, charge: Charge) -> LimitState:
        return self._local.state(charge.name, charge.subject, charge.policy)

    def _refusal(self, charges: Sequence[Charge], name: str, wait: float) -> Verdict:
        REFUSED.labels(name).inc()
        states: list[LimitState] = []
        for charge in charges:
            state = self._state(charge)
            if charge.name == name:
                state = msgspec.structs.replace(state, remaining=0, reset=wait)
            states.append(state)
        return Verdict(headers(states), retry_after=wait, policy=name)

    # -- what is known without asking --------------------------------------------------------

    def _remembered(self, charges: Sequence[Charge]) -> tuple[str, float] | None:
        if self._version != self._policies.version:
            self._version = self._policies.version
            self._denials.clear()
        now = time.monotonic()
        for charge in charges:
            until = self._denials.get((charge.name, charge.subject), 0.0)
            if until > now:
                return charge.name, until - now
        return None

    def _remember(self, charge: Charge, wait: float) -> None:
        self._denials[charge.name, charge.subject] = time.monotonic() + wait
        if len(self._denials) > MAX_DENIALS:
            self._denials.popitem(last=False)

    def _over_local(self, charges: Sequence[Charge]) -> tuple[str, float] | None:
        for charge in charges:
            wait = self._local.wait(charge.name, charge.subject, charge.policy)
            if wait > 0 and not charge.policy.shadow:
                return charge.name, wait
        return None

    # -- asking ------------------------------------------------------------------------------

    async def _ask(
        self, charges: Sequence[Charge], plan: str
    ) -> tuple[tuple[str, float] | None, dict[str, LimitState]]:
        """What the limiter refuses, and what it says of each limit; nothing when it is away."""
        if not charges:
            return None, {}
        if not self._breaker.allows():
            DECIDED_LOCALLY.inc()
            return None, {}
        request = CheckLimits(
            hits=[Hit(policy=c.name, subject=c.subject) for c in charges], plan=plan
        )
        try:
            async with asyncio.timeout(self._budget):
                decision = await self._bus.request(
                    LIMITS_CHECK, request, Context.system(), timeout=max(1.0, self._budget)
                )
        except (AppError, TimeoutError) as exc:
            self._breaker.failed(exc)
            DECIDED_LOCALLY.inc()
            return None, {}
        self._breaker.worked()
        if decision.allowed:
            return None, {state.policy: state for state in decision.limits}
        for charge in charges:
            if charge.name == decision.denied_by:
                self._remember(charge, decision.retry_after)
        return (decision.denied_by or charges[0].name, decision.retry_after), {}


class Breaker:
    """Closed, it lets all ask; open, none; after a while one, to see."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_at = 0.0
        self._warned = False

    def allows(self) -> bool:
        if self._failures < TRIPS_AFTER:
            return True
        now = time.monotonic()
        if now < self._closed_at:
            return False
        self._closed_at = now + OPEN_FOR * random.uniform(0.8, 1.2)  # this one may; others wait
        return True

    def failed(self, exc: Exception) -> None:
        self._failures += 1
        if self._failures < TRIPS_AFTER:
            return
        self._closed_at = time.monotonic() + OPEN_FOR * random.uniform(0.8, 1.2)
        BREAKER_OPEN.set(1)
        if not self._warned:
            self._warned = True
            log.warning("limiter_away", reason=type(exc).__name__)

    def worked(self) -> None:
        if self._warned:
            log.warning("limiter_back")
        self._failures = 0
        self._warned = False
        BREAKER_OPEN.set(0)


def refuse(verdict: Verdict) -> RateLimited:
    """The error of a refusal; its Retry-After is whole seconds, never too few."""
    wait = math.ceil(verdict.retry_after or 1)
    return RateLimited(
        f"Too many requests; wait {wait} s and try again.",
        retry_after=wait,
        details={"policy": verdict.policy, "retryAfter": wait},
    )


def headers(states: Sequence[LimitState]) -> dict[str, str]:
    """IETF draft-ietf-httpapi-ratelimit-headers, and the older trio for the tightest limit."""
    tightest = min(states, key=lambda s: (s.remaining / s.limit, s.limit))
    return {
        "RateLimit-Policy": ", ".join(
            f'"{s.policy}";q={s.limit};w={math.ceil(s.window)}' for s in states
        ),
        "RateLimit": ", ".join(
            f'"{s.policy}";r={s.remaining};t={math.ceil(s.reset)}' for s in states
        ),
        "X-RateLimit-Limit": str(tightest.limit),
        "X-RateLimit-Remaining": str(tightest.remaining),
        "X-RateLimit-Reset": str(math.ceil(time.time() + tightest.reset)),
    }

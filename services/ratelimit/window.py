"""The exact sliding window in Redis; see ``window.lua`` for the rule."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import redis.exceptions
from redis.asyncio import Redis

from libs.common.calls import Decision, LimitState
from libs.common.errors import Unavailable
from libs.common.limits import Policy

_SCRIPT = Path(__file__).with_name("window.lua").read_text(encoding="utf-8")
_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError)


class Charge(NamedTuple):
    """One limit to hold against."""

    name: str
    subject: str  # whom it counts
    policy: Policy
    cost: int = 1

    @property
    def key(self) -> str:
        return f"rl:{{{self.subject}}}:{self.name}:{self.policy.window:g}"


class Windows:
    """All windows of one Redis. Keys carry the subject as hash tag."""

    def __init__(self, client: Redis) -> None:
        self._script = client.register_script(_SCRIPT)

    async def charge(self, charges: Sequence[Charge]) -> tuple[Decision, list[str]]:
        """Admit a request under all its limits, or refuse it and charge none.

        Returns the decision and the policies in shadow mode that would have refused.
        Raises `Unavailable` when Redis is away.
        """
        args: list[str | int] = []
        for _, _, policy, cost in charges:
            args += [policy.limit, round(policy.window * 1e6), cost, int(policy.shadow)]
        try:
            # A lost script (SCRIPT FLUSH, a restart) is loaded again by the client.
            answer = await self._script(keys=[charge.key for charge in charges], args=args)
        except _AWAY as exc:
            raise Unavailable("The limiter's store is away.") from exc
        return _decision(charges, [int(value) for value in answer])


def _decision(charges: Sequence[Charge], answer: list[int]) -> tuple[Decision, list[str]]:
    admitted, wait, refused, *rest = answer
    states: list[LimitState] = []
    shadowed: list[str] = []
    for place, (name, _, policy, _) in enumerate(charges):
        held, reset, over = rest[3 * place : 3 * place + 3]
        if over and policy.shadow:
            shadowed.append(name)
        states.append(
            LimitState(
                policy=name,
                limit=policy.limit,
                window=policy.window,
                remaining=max(0, policy.limit - held),
                reset=reset / 1e6,
            )
        )
    decision = Decision(
        allowed=bool(admitted),
        limits=states,
        retry_after=wait / 1e6,
        denied_by=charges[refused - 1][0] if refused else None,
    )
    return decision, shadowed

"""Calls of the ratelimit service."""

from libs.common.calls.shapes import Reply, Request
from libs.common.envelope import Endpoint


class Hit(Request, frozen=True, kw_only=True):
    """One limit to hold against: a policy's name and whom it counts (an IP, a user, a key)."""

    policy: str
    subject: str
    cost: int = 1


class CheckLimits(Request, frozen=True, kw_only=True):
    """All limits of one request: every one admits it, or none is charged."""

    hits: list[Hit]
    plan: str = ""


class LimitState(Reply, frozen=True, kw_only=True):
    """A limit after the decision. ``reset`` is in seconds until a hit leaves the window."""

    policy: str
    limit: int
    window: float  # seconds
    remaining: int
    reset: float


class Decision(Reply, frozen=True, kw_only=True):
    """``retry_after``: seconds until the same request would be admitted, 0 when it was."""

    allowed: bool
    limits: list[LimitState]
    retry_after: float = 0.0
    denied_by: str | None = None


LIMITS_CHECK = Endpoint("ratelimit.check", CheckLimits, Decision)

"""When a failed delivery is tried again."""

import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

JITTER = 0.2
LONGEST_RETRY_AFTER = 3_600.0  # seconds; a receiver may not put us off for longer
DEFAULT = "5s,5m,30m,2h,5h,10h,14h,20h,24h"

_STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def parse(text: str) -> tuple[float, ...]:
    """``"5s,5m,2h"`` as seconds. Raises `ValueError`."""
    steps: list[float] = []
    for part in text.split(","):
        match = _STEP.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is not a time such as 5s, 30m or 2h")
        steps.append(float(match.group(1)) * _SECONDS[match.group(2)])
    return tuple(steps)


def delay(schedule: tuple[float, ...], tries: int, retry_after: float | None) -> float | None:
    """Seconds until the next attempt after ``tries`` failed ones; None when that was the last."""
    if tries > len(schedule):
        return None
    base = schedule[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    if retry_after is not None:
        base = max(base, min(retry_after, LONGEST_RETRY_AFTER))
    return base


def retry_after(header: str | None) -> float | None:
    """Seconds from a ``Retry-After`` header (RFC 9110, 10.2.3), a number or a date."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header.strip()[:9])
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)

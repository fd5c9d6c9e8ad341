"""What the benchmarks share: rows, percentiles, a paired loop."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One measure. ``ratio`` is ours over the floor's, in the unit's better direction as told."""

    area: str
    measure: str
    ours: float
    unit: str
    floor: float | None = None  # the same work done bare, or by a peer, in the same run
    floor_name: str = ""
    goal: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.floor if self.floor else None


@dataclass
class Report:
    """Collects rows and says what is going on."""

    rows: list[Row] = field(default_factory=list)
    say: Callable[[str], None] = print

    def add(self, row: Row) -> None:
        self.rows.append(row)
        ratio = "" if row.ratio is None else f"  ({row.ratio:.2f} of {row.floor_name})"
        self.say(f"  {row.measure}: {row.ours:,.4g} {row.unit}{ratio}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds that one call took."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def rate(
    work: Callable[[], Awaitable[object]], *, count: int, concurrency: int
) -> tuple[float, list[float]]:
    """Calls a second and each call's seconds, ``concurrency`` at once, ``count`` in all."""
    left = count
    times: list[float] = []

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            times.append(await timed(work))

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return count / (time.perf_counter() - started), times

"""Rate limits: `ratelimit.check` over the bus beside its bare script and beside `limits`."""

import asyncio
import itertools
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from limits import RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string
from redis.asyncio import ConnectionPool, Redis

from bench.harness import Report, Row, percentile, rate, timed
from deploy.local.programs import Program, stop
from deploy.local.stack import Stack
from libs.common.bus import Bus
from libs.common.calls import LIMITS_CHECK, CheckLimits, Hit
from libs.common.config import CommonSettings
from libs.common.envelope import Context
from libs.common.limits import DEFAULTS, PolicyFile
from services.gateway.limits import Charge, Limits
from services.ratelimit.window import Charge as WindowCharge
from services.ratelimit.window import Windows

AREA = "limits"
COUNT = 6_000  # checks a measure
CONCURRENCY = 32
STEADY = 1_000  # checks a second, when how long each takes is what counts
SECONDS = 4.0
SUBJECTS = 2_000  # whom they count: most are admitted, as in life
CHAT = DEFAULTS["chat"]


@dataclass
class World:
    bus: Bus
    redis: Redis
    programs: dict[str, Program]
    processes: dict[str, object]
    redis_url: str
    _numbers: "itertools.count[int]"

    def subject(self) -> str:
        return f"198.51.{next(self._numbers) % SUBJECTS}"


async def measure(report: Report) -> None:
    async with world() as here:
        await throughput(report, here)
        await steady(report, here)
        await trouble(report, here)


@asynccontextmanager
async def world() -> AsyncGenerator[World]:
    """NATS and Valkey, and the limiter as a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="chattery-bench-"))
    folder.chmod(0o755)
    stack = Stack(folder, 0, {})
    programs = {p.name: p for p in (*stack.servers(), *stack.services())}
    processes: dict[str, object] = {}
    async with AsyncExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("nats", "redis", "ratelimit"):
            await start(programs[name], processes)
            ending.callback(lambda name=name: stop(processes[name], signal.SIGKILL, 5.0))  # type: ignore[arg-type]
        pool = ConnectionPool.from_url(stack.redis_url())
        redis = await ending.enter_async_context(Redis.from_pool(pool))
        settings = CommonSettings.model_validate({"NATS_URL": stack.nats_url("gateway")})
        bus = await ending.enter_async_context(Bus.open(settings, "gateway"))
        yield World(bus, redis, programs, processes, stack.redis_url(), itertools.count())


async def start(program: Program, processes: dict[str, object]) -> None:
    program.prepare()
    processes[program.name] = program.start()
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(program.ready):
            await asyncio.sleep(0.05)


# -- how many --------------------------------------------------------------------------------


def over_the_bus(here: World) -> Callable[[], Awaitable[object]]:
    def check() -> Awaitable[object]:
        hits = [Hit(policy="chat", subject=here.subject())]
        return here.bus.request(LIMITS_CHECK, CheckLimits(hits=hits), Context.system())

    return check


def bare(here: World) -> Callable[[], Awaitable[object]]:
    windows = Windows(here.redis)
    return lambda: windows.charge([WindowCharge("bare", here.subject(), CHAT)])


def peer(here: World) -> Callable[[], Awaitable[object]]:
    url = here.redis_url.replace("redis://", "async+redis://")
    storage = storage_from_string(url, implementation="redispy", max_connections=CONCURRENCY)
    strategy = MovingWindowRateLimiter(storage)  # type: ignore[arg-type]
    item = RateLimitItemPerMinute(CHAT.limit)
    return lambda: strategy.hit(item, "peer", here.subject())


async def throughput(report: Report, here: World) -> None:
    found: dict[str, float] = {}
    for name, make in (("bus", over_the_bus), ("script", bare), ("limits", peer)):
        work = make(here)
        await rate(work, count=COUNT // 10, concurrency=CONCURRENCY)
        found[name], _ = await rate(work, count=COUNT, concurrency=CONCURRENCY)
    for floor, words, goal in (
        ("script", "raw EVALSHA", ">= 0.3"),
        ("limits", "limits, moving window", ""),
    ):
        measure_ = f"ratelimit.check over NATS, {CONCURRENCY} at once"
        report.add(Row(AREA, measure_, found["bus"], "/s", found[floor], words, goal))
    measure_ = "our script beside theirs, on the same server"
    report.add(Row(AREA, measure_, found["script"], "/s", found["limits"], "limits"))


# -- how long --------------------------------------------------------------------------------


async def steadily(
    work: Callable[[], Awaitable[object]], *, a_second: float, seconds: float
) -> list[float]:
    """Each call's seconds when they come at a steady pace, whether or not others are done."""
    tasks: list[asyncio.Task[float]] = []
    begin = time.perf_counter()
    for number in range(int(a_second * seconds)):
        wait = begin + number / a_second - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(timed(work)))
    done = await asyncio.gather(*tasks, return_exceptions=True)
    times = [took for took in done if isinstance(took, float)]
    return times + [math.inf] * (len(done) - len(times))  # one that failed took for ever


async def steady(report: Report, here: World) -> None:
    ours = await steadily(over_the_bus(here), a_second=STEADY, seconds=SECONDS)
    floor = await steadily(bare(here), a_second=STEADY, seconds=SECONDS)
    for share, goal in ((0.5, ""), (0.99, "< 5 ms")):
        name = f"ratelimit.check p{share * 100:.0f} at {STEADY:,}/s"
        values = percentile(ours, share) * 1e3, percentile(floor, share) * 1e3
        report.add(Row(AREA, name, values[0], "ms", values[1], "raw EVALSHA", goal))


# -- in trouble ------------------------------------------------------------------------------


async def trouble(report: Report, here: World) -> None:
    """What a request waits for its limits at the gateway while the store is not well."""
    for name, make, mend in (
        ("is stopped", pause, resume),
        ("is killed", kill, restart),
        ("is flushed", flush, nothing),
        ("forgets its scripts", forget, nothing),
    ):
        limits = Limits(here.bus, PolicyFile(None))

        def check(limits: Limits = limits) -> Awaitable[object]:
            return limits.check([Charge("chat", here.subject(), CHAT)], "")

        await steadily(check, a_second=200, seconds=0.5)
        during = asyncio.create_task(steadily(check, a_second=200, seconds=3.0))
        await asyncio.sleep(0.5)
        await make(here)
        times = await during
        await mend(here)
        report.add(
            Row(
                AREA,
                f"check at the gateway, p99 while the store {name}",
                percentile(times, 0.99) * 1e3,
                "ms",
                goal="<= 25 ms",
            )
        )
        await asyncio.sleep(1.5)


async def pause(here: World) -> None:
    os.kill(here.processes["redis"].pid, signal.SIGSTOP)  # type: ignore[attr-defined]


async def resume(here: World) -> None:
    os.kill(here.processes["redis"].pid, signal.SIGCONT)  # type: ignore[attr-defined]


async def kill(here: World) -> None:
    here.processes["redis"].kill()  # type: ignore[attr-defined]
    await asyncio.to_thread(here.processes["redis"].wait)  # type: ignore[attr-defined]


async def restart(here: World) -> None:
    await start(here.programs["redis"], here.processes)
    await here.redis.connection_pool.disconnect()  # those to the one that was killed


async def flush(here: World) -> None:
    await here.redis.flushall()


async def forget(here: World) -> None:
    await here.redis.script_flush()


async def nothing(_: World) -> None:
    return

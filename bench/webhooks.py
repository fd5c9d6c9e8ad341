"""Webhooks: deliveries a second beside a bare loop of the same client, latency, fairness, memory.

``CHATTERY_BENCH_DELIVERIES=100000`` makes the run for memory as long as that (10,000 otherwise).
"""

import asyncio
import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bench.harness import Report, Row, median, percentile
from bench.webhooks_peers import arrived, counted
from deploy.local.programs import Program, stop
from deploy.local.servers import ROOT, free_port, listening
from deploy.local.stack import Stack
from libs.common import calls, events
from libs.common.bus import Bus
from libs.common.config import CommonSettings
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from tests.integration.webhooks.checker import Arrived, Happened, check, succeeded

AREA = "webhooks"
BARE = 4_000  # posts
EVENTS = 4_000  # to one endpoint
FANNED = 40  # events to each of 100 endpoints
DELIVERIES = int(os.environ.get("CHATTERY_BENCH_DELIVERIES", "10000"))
IDLE = 60  # events, one at a time
CHECKED = 10_000  # events through two kills
AWAY = float(os.environ.get("CHATTERY_BENCH_AWAY", "30"))  # seconds without a receiver
AWAY_SCHEDULE = "0.25s,15s,90s"  # the first steps of the real one, a twentieth as long
PATIENCE = 280.0  # seconds for a step


class World:
    """The service as a process, its servers, a receiver; events through an outbox as chat's."""

    def __init__(self, stack: Stack, receiver: str) -> None:
        self.stack = stack
        self.receiver = receiver
        self.programs = {p.name: p for p in (*stack.servers(), *stack.services())}
        self.processes: dict[str, Any] = {}
        self.session: aiohttp.ClientSession
        self.bus: Bus
        self.outbox: Outbox
        self.chat: Database
        self.webhooks: Database
        self.account = ""

    async def start(self, name: str) -> None:
        program = self.programs[name]
        program.prepare()
        self.processes[name] = program.start()
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(program.ready):
                await asyncio.sleep(0.05)

    def kill(self, name: str) -> None:
        stop(self.processes[name], signal.SIGKILL, 5.0)

    # -- what a measure does -----------------------------------------------------------------

    def account_of_its_own(self) -> None:
        self.account = new_id("acc")

    async def endpoint(self, path: str, **fields: Any) -> str:
        asked = calls.CreateWebhook(url=self.receiver + path, **fields)
        made = await self.bus.request(calls.WEBHOOK_CREATE, asked, Context(account=self.account))
        return made.id

    def event(self, conversation: str, text: str = "How do I cancel my plan?") -> events.Event:
        data = events.NewMessage(conversation, "bot_a", new_id("msg"), text, "visitor", "vis_a")
        return events.make(data, account=self.account, chatbot="bot_a", key=conversation)

    async def commit(self, made: Sequence[events.Event]) -> None:
        async with self.chat.transaction(self.account) as tx:
            await self.outbox.add(tx, *made)

    async def commit_all(self, made: Sequence[events.Event]) -> None:
        for start in range(0, len(made), 200):
            await self.commit(made[start : start + 200])

    async def arrived(self, path: str) -> list[tuple[str, float, str]]:
        return await arrived(self.session, self.receiver + path)

    async def until(self, path: str, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await counted(self.session, self.receiver + path) < count:
                await asyncio.sleep(0.05)

    async def published(self) -> None:
        """Until the relay has brought everything to the stream."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self.chat.system() as tx:
                    cursor = await tx.execute("select 1 from outbox where published_at is null")
                    if await cursor.fetchone() is None:
                        return
                await asyncio.sleep(0.05)

    def resident(self) -> float:
        """MB of the service's process."""
        status = Path(f"/proc/{self.processes['webhooks'].pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@asynccontextmanager
async def world() -> AsyncGenerator[World]:
    folder = Path(tempfile.mkdtemp(prefix="chattery-bench-"))
    folder.chmod(0o755)
    port = free_port()
    here = World(Stack(folder, 0, {}), f"http://127.0.0.1:{port}")
    here.programs["receiver"] = Program(
        "receiver",
        [sys.executable, "-m", "bench.webhooks_peers", "receive", str(port)],
        folder / "receiver.log",
        ready=lambda: listening(port),
        cwd=ROOT,
    )
    async with AsyncExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("postgres", "nats", "receiver"):
            await here.start(name)
            ending.callback(here.kill, name)
        await _migrate(here.stack)
        await here.start("webhooks")
        ending.callback(here.kill, "webhooks")
        await _connect(here, ending)
        yield here


async def _migrate(stack: Stack) -> None:
    for service, argv, env in stack.migrations():
        if service in ("chat", "webhooks"):
            process = await asyncio.create_subprocess_exec(*argv, env={**os.environ, **env})
            assert await process.wait() == 0


async def _connect(here: World, ending: AsyncExitStack) -> None:
    stack = here.stack
    admin = CommonSettings.model_validate({"NATS_URL": stack.nats_url("admin")})
    here.session = await ending.enter_async_context(aiohttp.ClientSession())
    here.bus = await ending.enter_async_context(Bus.open(admin, "bench"))
    here.chat = await ending.enter_async_context(
        Database.open(stack.database_url("chat"), schema="chat", service="chat")
    )
    here.webhooks = await ending.enter_async_context(
        Database.open(stack.database_url("webhooks"), schema="webhooks", service="webhooks")
    )
    here.outbox = Outbox(here.chat, here.bus, "chat")
    relay = asyncio.create_task(here.outbox.relay())
    ending.callback(relay.cancel)


async def measure(report: Report) -> None:
    async with world() as here:
        await idle(report, here)
        await one_endpoint(report, here)
        await hundred_endpoints(report, here)
        await fairness(report, here)
        await memory(report, here)
        await everything_arrives(report, here)
        await backlog(report, here)


# -- how fast --------------------------------------------------------------------------------


async def _bare(here: World, concurrency: int, paths: int) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.webhooks_peers", "bare", here.receiver),
        *(str(BARE), str(concurrency), str(paths)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    out, _ = await process.communicate()
    return float(out)


async def idle(report: Report, here: World) -> None:
    here.account_of_its_own()
    await here.endpoint("/idle")
    committed: dict[str, float] = {}
    for number in range(IDLE + 5):
        event = here.event(f"conv_{number}")
        committed[event.id] = time.monotonic()
        await here.commit([event])
        await asyncio.sleep(0.1)
    await here.until("/idle", IDLE + 5)
    came = {id: at for id, at, _ in await here.arrived("/idle")}
    times = [(came[id] - at) * 1000 for id, at in list(committed.items())[5:]]
    for share, goal in ((0.5, "≤ 50"), (0.99, "")):
        name = f"commit to receipt, idle, p{share * 100:.0f}"
        report.add(Row(AREA, name, percentile(times, share), "ms", goal=goal))


async def one_endpoint(report: Report, here: World) -> None:
    single, floor = await _bare(here, 1, 1), await _bare(here, 32, 1)
    report.add(Row(AREA, "bare loop, one at a time", single, "/s"))
    here.account_of_its_own()
    await here.endpoint("/one")
    here.kill("webhooks")
    await here.commit_all([here.event(f"conv_{n % 400}") for n in range(EVENTS)])
    await here.published()
    await here.start("webhooks")
    await here.until("/one", EVENTS)
    ours = _rate([at for _, at, _ in await here.arrived("/one")])
    name = "deliveries, 1 endpoint"
    report.add(Row(AREA, name, ours, "/s", floor, "bare, 32 in flight", "≥ 0.25"))


async def hundred_endpoints(report: Report, here: World) -> None:
    floor = await _bare(here, 32, 100)
    here.account_of_its_own()
    for number in range(100):
        await here.endpoint(f"/of{number}")
    here.kill("webhooks")
    await here.commit_all([here.event(f"conv_{n % 20}") for n in range(FANNED)])
    await here.published()
    await here.start("webhooks")
    times: list[float] = []
    for number in range(100):
        await here.until(f"/of{number}", FANNED)
        times += [at for _, at, _ in await here.arrived(f"/of{number}")]
    name = "deliveries, 100 endpoints"
    report.add(Row(AREA, name, _rate(times), "/s", floor, "bare, 32 in flight", "≥ 0.25"))


def _rate(times: list[float]) -> float:
    return (len(times) - 1) / (max(times) - min(times))


# -- how fairly ------------------------------------------------------------------------------


async def fairness(report: Report, here: World) -> None:
    """p99 of 19 endpoints, the 20th answering and hanging in turn."""
    here.account_of_its_own()
    ids = [await here.endpoint(f"/fair{number}", ordering="none") for number in range(20)]
    without: list[float] = []
    hanging: list[float] = []
    for _ in range(4):
        await _answers(here, ids[-1], "/fair19")
        without.append(await _p99_of_others(here))
        await _answers(here, ids[-1], "/hang")
        hanging.append(await _p99_of_others(here))
    ours, floor = median(hanging), median(without)
    name = "p99 of 19 endpoints while the 20th hangs"
    report.add(Row(AREA, name, ours, "ms", floor, "while none hangs", "≤ 1.10"))


async def _answers(here: World, id: str, path: str) -> None:
    asked = calls.UpdateWebhook(id=id, url=here.receiver + path)
    await here.bus.request(calls.WEBHOOK_UPDATE, asked, Context(account=here.account))


async def _p99_of_others(here: World) -> float:
    committed: dict[str, float] = {}
    count = 60
    for number in range(count):
        event = here.event(f"conv_{number}")
        committed[event.id] = time.monotonic()
        await here.commit([event])
        await asyncio.sleep(0.03)
    times: list[float] = []
    for number in range(19):
        await here.until(f"/fair{number}", count)
        came = await here.arrived(f"/fair{number}")
        times += [(at - committed[id]) * 1000 for id, at, _ in came if id in committed]
    return percentile(times, 0.99)


# -- how it lasts ----------------------------------------------------------------------------


async def memory(report: Report, here: World) -> None:
    """The process' memory after a fifth of the deliveries, and after all."""
    here.account_of_its_own()
    for number in range(20):
        await here.endpoint(f"/long{number}")
    early = 0.0
    for part in range(10):
        count = DELIVERIES // 200
        await here.commit_all([here.event(f"conv_{part}_{n % 50}") for n in range(count)])
        for number in range(20):
            await here.until(f"/long{number}", count)
            await here.arrived(f"/long{number}")
        if part == 1:
            early = here.resident()
    late, name = here.resident(), f"memory after {DELIVERIES:,} deliveries"
    report.add(Row(AREA, name, late, "MB", early, "after a fifth of them", "≤ 1.10"))


async def everything_arrives(report: Report, here: World) -> None:
    """10,000 events; the process is killed twice on the way."""
    here.account_of_its_own()
    endpoint = await here.endpoint("/kept")
    made = [here.event(f"conv_{n % 300}", f"{n // 300}") for n in range(CHECKED)]
    committing = asyncio.create_task(here.commit_all(made))
    for share in (0.2, 0.6):
        await here.until("/kept", int(CHECKED * share))
        here.kill("webhooks")
        await here.start("webhooks")
    await committing
    wanted = {event.id for event in made}
    async with asyncio.timeout(PATIENCE):
        while not wanted <= (written := await succeeded(here.webhooks, endpoint)):
            await asyncio.sleep(0.3)
    requests = [
        Arrived(id, data["conversationId"], data["message"])
        for id, _, body in await here.arrived("/kept")
        for data in [json.loads(body)["data"]]
    ]
    happened = [Happened(e.id, e.key, f"{n // 300}") for n, e in enumerate(made)]
    verdict = check(happened, requests, written)
    bad = len({*verdict.lost, *verdict.strange, *verdict.disordered, *verdict.unwritten})
    name = f"of {CHECKED:,} events through two kills: lost, strange or out of order"
    report.add(Row(AREA, name, bad, "", goal="0"))
    report.add(Row(AREA, "of these sent again, under the same id", verdict.repeats, ""))


async def backlog(report: Report, here: World) -> None:
    """The receiver is away under load, then back: what waited drains, and what is new goes first."""
    program = here.programs["webhooks"]
    environ = {**program.env, "CHATTERY_WEBHOOK_SCHEDULE": AWAY_SCHEDULE}
    here.programs["webhooks"] = dataclasses.replace(program, env=environ)
    here.kill("webhooks")
    await here.start("webhooks")
    here.account_of_its_own()
    await here.endpoint("/backlog")
    await _p99_of_new(here, "first")  # what a start brings with it
    calm = await _p99_of_new(here, "calm")
    here.kill("receiver")
    waiting: set[str] = set()
    away = time.monotonic() + AWAY
    while time.monotonic() < away:
        event = here.event(f"conv_{len(waiting) % 200}")
        await here.commit([event])
        waiting.add(event.id)
        await asyncio.sleep(0.025)
    await here.start("receiver")
    back = time.monotonic()
    busy = await _p99_of_new(here, "busy", waiting)
    async with asyncio.timeout(PATIENCE):
        while waiting:
            waiting -= {id for id, _, _ in await here.arrived("/backlog")}
            await asyncio.sleep(0.2)
    drained = time.monotonic() - back
    name = f"p99 of new events just after a receiver was away for {AWAY:g} s under load"
    report.add(Row(AREA, name, busy, "ms", calm, "before it"))
    report.add(
        Row(AREA, "all that waited for it delivered after", drained, "s", 90, "longest step")
    )


async def _p99_of_new(here: World, name: str, waiting: set[str] | None = None) -> float:
    """Of events of new conversations, one after the other; others that come leave ``waiting``."""
    committed: dict[str, float] = {}
    for number in range(100):
        event = here.event(f"{name}_{number}")
        committed[event.id] = time.monotonic()
        await here.commit([event])
        await asyncio.sleep(0.02)
    times: dict[str, float] = {}
    async with asyncio.timeout(PATIENCE):
        while len(times) < len(committed):
            for id, at, _ in await here.arrived("/backlog"):
                if id in committed:
                    times[id] = (at - committed[id]) * 1000
                elif waiting is not None:
                    waiting.discard(id)
            await asyncio.sleep(0.1)
    return percentile(list(times.values()), 0.99)

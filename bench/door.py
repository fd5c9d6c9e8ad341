"""The door: an authenticated GET through gateway, NATS and Postgres; idle streams; revocation."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from bench.harness import Report, Row, percentile
from deploy.local.programs import Program, stop
from deploy.local.servers import ROOT, free_port, listening
from deploy.local.stack import answers_ok
from tests.conftest import RunningStack

AREA = "door"
CONCURRENCY = 32
SECONDS = 5.0
STREAMS = 1_000


async def measure(report: Report) -> None:
    async with product() as running:
        bot = await a_chatbot(running)
        await throughput(report, running, f"/api/chatbots/{bot}")
        await streams(report, running)
        await revocation(report, running)


@asynccontextmanager
async def product() -> AsyncGenerator[RunningStack]:
    folder = Path(tempfile.mkdtemp(prefix="chattery-bench-"))
    folder.chmod(0o755)
    running = RunningStack(folder / "data")
    try:
        yield await asyncio.to_thread(running.start)
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def auth(running: RunningStack) -> dict[str, str]:
    return {"Authorization": f"Bearer {running.api_key}"}


async def a_chatbot(running: RunningStack) -> str:
    url = f"{running.base_url}/api/chatbots"
    async with (
        aiohttp.ClientSession(headers=auth(running)) as http,
        http.post(url, json={"name": "Bench"}) as made,
    ):
        return (await made.json())["id"]


# -- requests --------------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """One connection that sends the same request over and over: as little client as there is."""

    def __init__(self, request: bytes, end: float, times: list[float]) -> None:
        self._request, self._end, self._times = request, end, times
        self._buffer = b""
        self._sent = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank or len(body) < int(head.lower().partition(b"content-length: ")[2].split()[0]):
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        self._buffer = b""
        now = time.perf_counter()
        self._times.append(now - self._sent)
        if now < self._end:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.done.set_result(None)


async def load(url: str, headers: dict[str, str], seconds: float) -> tuple[float, list[float]]:
    """Requests a second, and each one's seconds, `CONCURRENCY` at once."""
    host, _, path = url.removeprefix("http://").partition("/")
    lines = [f"GET /{path} HTTP/1.1", f"Host: {host}", *(f"{n}: {v}" for n, v in headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    times: list[float] = []
    begin = time.perf_counter()
    name, _, port = host.partition(":")
    clients = [
        (
            await asyncio.get_running_loop().create_connection(
                lambda: Client(request, begin + seconds, times), name, int(port)
            )
        )[1]
        for _ in range(CONCURRENCY)
    ]
    await asyncio.gather(*(client.done for client in clients))
    return len(times) / (time.perf_counter() - begin), times


def worked(running: RunningStack) -> dict[str, float]:
    """Seconds of CPU that each process, with its children, has used."""
    pids = running.pids()
    return {name: sum(_cpu(pid) for pid in family(pids[name])) for name in pids}


def family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(int(child) for child in children)]


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def bare_handler(folder: Path) -> AsyncGenerator[str]:
    """The floor, in a process of its own: its address."""
    port = free_port()
    program = Program(
        "bare",
        [sys.executable, "-m", "bench.bare", str(port)],
        folder / "bare.log",
        ready=lambda: listening(port),
        cwd=ROOT,
    )
    process = program.start()
    try:
        while not program.ready():
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        stop(process, signal.SIGKILL, 2.0)


async def throughput(report: Report, running: RunningStack, path: str) -> None:
    async with bare_handler(running.data) as bare:
        await load(running.base_url + path, auth(running), 1.0)
        before = worked(running)
        ours, times = await load(running.base_url + path, auth(running), SECONDS)
        work = {name: seconds - before[name] for name, seconds in worked(running).items()}
        floor, floor_times = await load(bare, {}, SECONDS / 2)
        health, _ = await load(running.base_url + "/livez", {}, SECONDS / 2)
    name = f"authenticated GET, {CONCURRENCY} at once"
    report.add(Row(AREA, name, ours, "/s", floor, "bare aiohttp handler", ">= 1,200/s"))
    for share in (0.5, 0.99):
        values = percentile(times, share) * 1e3, percentile(floor_times, share) * 1e3
        words = f"authenticated GET p{share * 100:.0f}, {CONCURRENCY} at once"
        report.add(Row(AREA, words, values[0], "ms", values[1], "bare aiohttp handler"))
    for name in ("gateway", "chat", "nats", "postgres"):
        words = f"authenticated GET, CPU a request: {name}"
        report.add(Row(AREA, words, work[name] / len(times) * 1e3, "ms"))
    report.add(Row(AREA, "GET /livez: the door alone", health, "/s", floor, "bare aiohttp handler"))


# -- streams ---------------------------------------------------------------------------------


def resident(pid: int) -> int:
    """Bytes of memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def streams(report: Report, running: RunningStack) -> None:
    gateway = running.pids()["gateway"]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=auth(running)) as http:

        async def open_one(number: int) -> aiohttp.ClientResponse:
            address = {"X-Forwarded-For": f"198.18.{number // 250}.{number % 250 + 1}"}
            got = await http.get(f"{running.base_url}/api/inbox/events", headers=address)
            assert got.status == 200
            return got

        first = [await open_one(n) for n in range(10)]  # what the first ones bring with them
        before = resident(gateway)
        rest: list[aiohttp.ClientResponse] = []
        for begin in range(10, STREAMS + 10, 50):
            rest += await asyncio.gather(*(open_one(n) for n in range(begin, begin + 50)))
        await asyncio.sleep(1.0)
        each = (resident(gateway) - before) / STREAMS
        for got in (*first, *rest):
            got.close()
    report.add(Row(AREA, f"memory a stream, {STREAMS:,} idle", each / 1024, "KiB"))


# -- revocation ------------------------------------------------------------------------------


async def revocation(report: Report, running: RunningStack) -> None:
    """How long another replica goes on to take a key that was revoked at this one."""
    port = free_port()
    other = f"http://127.0.0.1:{port}"
    program = Program(
        "another gateway",
        [sys.executable, "-m", "services.gateway"],
        running.data / "another.log",
        ready=lambda: answers_ok(f"{other}/livez"),
        env={**told(running), "CHATTERY_PORT": str(port), "CHATTERY_HEALTH_PORT": "0"},
        cwd=ROOT,
    )
    with ExitStack() as ending:
        ending.callback(stop, program.start(), signal.SIGKILL, 2.0)
        while not await asyncio.to_thread(program.ready):
            await asyncio.sleep(0.1)
        times = [await revoked_after(running, other) for _ in range(10)]
    report.add(
        Row(AREA, "revoked key refused by another replica, slowest of 10", max(times) * 1e3, "ms",
            goal="< 1,000 ms")
    )  # fmt: skip


def told(running: RunningStack) -> dict[str, str]:
    """What the supervisor told the first gateway of servers and secrets."""
    environ = Path(f"/proc/{running.pids()['gateway']}/environ").read_bytes()
    return dict(part.split("=", 1) for part in environ.decode().split("\0") if "=" in part)


async def revoked_after(running: RunningStack, other: str) -> float:
    async with aiohttp.ClientSession() as http:
        body = {"name": "bench", "scopes": ["chat"]}
        async with http.post(
            f"{running.base_url}/api/keys", json=body, headers=auth(running)
        ) as got:
            made = json.loads(await got.read())
        key = {"Authorization": f"Bearer {made['key']}"}
        await (await http.get(f"{other}/api/me", headers=key)).read()
        url = f"{running.base_url}/api/keys/{made['id']}"
        began = time.perf_counter()
        await (await http.delete(url, headers=auth(running))).read()
        while True:
            async with http.get(f"{other}/api/me", headers=key) as got:
                if got.status == 401:
                    return time.perf_counter() - began

"""Streamed answers, the whole path: beside the model called directly, and beside nginx.

One scripted model in a process of its own writes 50 tokens an answer, with 0 or 20 ms before
each (100 ms for 500 at once, who do not begin in the same instant). It is asked through the
product (accounts, limits, storage, NATS, retrieval and events on the path), directly with the
SDK, and through nginx, in turn, on the same machine. Questions repeat, so that the embedder is
warm and not what is measured. What a fast model writes the product shows in fewer, longer frames:
words are counted, not frames.
"""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from bench import chat_peers
from bench.harness import Report, Row, percentile
from deploy.local.servers import ROOT, free_port

TOKENS = 50  # of an answer
DELAY = 0.02  # seconds a token, where there is one ...
CROWD_DELAY = 0.1  # ... and for the many
RAMP = 3.0  # seconds in which the many begin
TEXT = " ".join(f"word{n}" for n in range(TOKENS - 1))
QUESTIONS = [f"How do I reset the {thing} password?" for thing in ("first", "second", "third")]
SERVICES = ("gateway", "chat", "ingest", "webhooks", "ratelimit")
NGINX = """daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {model}; proxy_buffering off;
proxy_http_version 1.1; }} }} }}"""

_addresses = itertools.count(1)


@dataclass
class Run:
    """What one load came to; times in seconds."""

    first: list[float] = field(default_factory=list[float])
    gaps: list[float] = field(default_factory=list[float])
    words: int = 0
    answers: int = 0
    refused: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


Ask = Callable[[Run], Awaitable[None]]


async def measure(report: Report) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="chattery-bench-"))
        folder.chmod(0o755)  # Postgres is somebody else
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        model = stack.enter_context(_model(folder))
        http = await stack.enter_async_context(_session())
        await _up(http, f"{model}/delay")
        async with _product(folder / "data", model, http):
            pass  # filled once; what follows is started on knowledge that is there
        product = await stack.enter_async_context(_product(folder / "data", model, http))
        asks: dict[str, Ask] = {"ours": product.ask}
        sdk = await stack.enter_async_context(_sdk(model))
        asks["SDK, direct"] = lambda run: _ask_sdk(sdk, run)
        if proxy := stack.enter_context(_nginx(folder, model)):
            asks["nginx"] = lambda run: _ask_http(http, proxy, run)
        if chat_peers.installed():
            answer = f"How do I reset the password?\n{TEXT.split(' ', 9)[9]}"  # as long in all
            peer, models = stack.enter_context(chat_peers.hayhooks(folder, model, answer))
            await _up(http, f"{peer}/v1/chat/completions")
            for title, name in models.items():
                asks[title] = partial(_ask_peer, http, peer, name)
        else:
            report.say("  hayhooks is not there: `python -m bench.chat_peers` installs it")
        _report_memory(report, product, "at rest", "≤ 600")
        await _compare(report, http, model, product, asks)
        _report_memory(report, product, "after all of this")


async def _compare(
    report: Report,
    http: aiohttp.ClientSession,
    model: str,
    product: "Product",
    asks: dict[str, Ask],
) -> None:
    for delay, at_once, count in (
        (0.0, 1, 40),
        (0.0, 50, 400),
        (DELAY, 50, 400),
        (CROWD_DELAY, 500, 500),
    ):
        await http.post(f"{model}/delay", json=delay)
        name = f"{at_once} at once, {delay * 1000:g} ms a token"
        runs: dict[str, Run] = {}
        for who, ask in asks.items():
            if who in chat_peers.PIPELINES and at_once > 50:
                continue  # they take minutes
            await _load(ask, at_once, at_once)  # warm: connections, caches, code
            before = product.cpu()
            runs[who] = await _load(ask, at_once, count)
            if who == "ours":
                used = {k: v - before[k] for k, v in product.cpu().items()}
                _report_cpu(report, name, runs[who], used)
        _report_runs(report, name, runs, delay, at_once)


def _report_runs(
    report: Report, name: str, runs: dict[str, Run], delay: float, at_once: int
) -> None:
    ours = runs["ours"]
    goals = {0.5: "≤ 100", 0.99: "≤ 300"} if (delay, at_once) == (DELAY, 50) else {}
    for other, run in runs.items():
        if other == "ours":
            continue
        for share in (0.5, 0.99):
            if at_once > 1 or share == 0.5:
                report.add(
                    Row(
                        "chat",
                        f"first words p{share * 100:g}, {name}",
                        percentile(ours.first, share) * 1000,
                        "ms",
                        percentile(run.first, share) * 1000,
                        other,
                        goals.get(share, ""),
                    )
                )
        if delay:
            report.add(
                Row(
                    "chat",
                    f"between two chunks p99, {name}",
                    percentile(ours.gaps, 0.99) * 1000,
                    "ms",
                    percentile(run.gaps, 0.99) * 1000,
                    other,
                )
            )
        else:
            goal = "≥ 100" if at_once == 50 else ""
            report.add(
                Row("chat", f"answers, {name}", ours.rate, "answers/s", run.rate, other, goal)
            )


def _report_cpu(report: Report, name: str, run: Run, used: dict[str, float]) -> None:
    total = sum(used.values())
    detail = ", ".join(f"{k} {v / run.answers * 1000:.1f}" for k, v in used.items() if v > 0.01)
    if run.refused:
        report.say(f"  refused with 503 and asked again, {name}: {run.refused}")
    report.say(f"  CPU ms an answer, {name}: {total / run.answers * 1000:.1f} ({detail})")
    report.add(
        Row(
            "chat",
            f"words a core of the gateway, {name}",
            run.words / max(used["gateway"], 0.01),
            "words/s",
        )
    )
    report.add(
        Row("chat", f"words a core of all nine, {name}", run.words / max(total, 0.01), "words/s")
    )


def _report_memory(report: Report, product: "Product", when: str, goal: str = "") -> None:
    sizes = {name: _resident(product.pids()[name]) for name in SERVICES}
    report.say(f"  {when}: " + ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()))
    what = f"five services, resident in proportion, {when}"
    report.add(Row("chat", what, sum(sizes.values()), "MB", goal=goal))


async def _load(ask: Ask, at_once: int, count: int) -> Run:
    run = Run()
    left = iter(range(count))
    ramp = RAMP if at_once > 100 else 0.0

    async def worker(number: int) -> None:
        await asyncio.sleep(ramp * number / at_once)
        for _ in left:
            await ask(run)
            run.answers += 1

    started = time.perf_counter()
    await asyncio.gather(*(worker(number) for number in range(at_once)))
    run.seconds = time.perf_counter() - started
    return run


class Clock:
    """The times of one answer's chunks."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._last = self._started = time.perf_counter()
        self._any = False

    def chunk(self, words: int = 1) -> None:
        now = time.perf_counter()
        if self._any:
            self._run.gaps.append(now - self._last)
        else:
            self._run.first.append(now - self._started)
        self._any = True
        self._last = now
        self._run.words += words


# -- whom we ask -----------------------------------------------------------------------------


@dataclass
class Product:
    http: aiohttp.ClientSession
    data: Path
    bot: str = ""

    @property
    def dev(self) -> dict[str, Any]:
        return json.loads((self.data / "dev.json").read_text())

    def pids(self) -> dict[str, int]:
        return {name: pid for name, pid in self.dev["pids"].items() if name != "supervisor"}

    def cpu(self) -> dict[str, float]:
        """Seconds of processor each process has used, its children's too."""
        tree = _children()
        return {name: _cpu(pid, tree) for name, pid in self.pids().items()}

    async def ask(self, run: Run) -> None:
        number = next(_addresses)
        dev = self._about
        headers = {
            "Authorization": f"Bearer {dev['apiKey']}",
            "X-Forwarded-For": f"198.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        }
        body = {"message": QUESTIONS[number % len(QUESTIONS)]}
        clock = Clock(run)
        url = f"{dev['baseUrl']}/api/chat/{self.bot}"
        while not await self._answered(url, body, headers, clock):
            run.refused += 1  # 503: it says when to try again, and the clock goes on
            await asyncio.sleep(1)

    async def _answered(self, url: str, body: Any, headers: Any, clock: "Clock") -> bool:
        async with self.http.post(url, json=body, headers=headers) as response:
            if response.status == 503:
                return False
            assert response.status == 200, await response.text()
            async for line in response.content:
                if line.startswith(b'data: {"text": "') and b'"text": ""' not in line:
                    clock.chunk(line.count(b"word"))
                if b'"finishReason"' in line:
                    assert b'"complete"' in line, line
        return True

    def __post_init__(self) -> None:
        self._about = self.dev

    async def call(self, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._about['apiKey']}"}
        method = "GET" if body is None else "POST"
        url = self._about["baseUrl"] + path
        async with self.http.request(method, url, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def prepare(self) -> None:
        """A chatbot that knows one answer, made the first time."""
        if made := (await self.call("/api/chatbots"))["data"]:
            self.bot = made[0]["id"]
            return
        self.bot = (await self.call("/api/chatbots", {"name": "Bench"}))["id"]
        content = {"question": "How do I reset the password?", "answer": TEXT}
        item = await self.call(
            "/api/knowledge", {"chatbotId": self.bot, "type": "qa", "content": content}
        )
        while (item := await self.call(f"/api/knowledge/{item['id']}"))["semantic"] != "done":
            assert item["status"] != "failed", item
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _product(data: Path, model: str, http: aiohttp.ClientSession) -> AsyncGenerator[Product]:
    output = data.parent / "product.out"
    env = {
        **os.environ,
        "CHATTERY_DATA": str(data),
        "CHATTERY_PORT": "0",
        "CHATTERY_TRUSTED_PROXIES": "127.0.0.1/32",  # each question from an address of its own
        "CHATTERY_MAX_STREAMS_PER_IP": "2000",
        "CHATTERY_ANSWERS_AN_ACCOUNT": "600",  # the many are all of one account
        "ANTHROPIC_API_KEY": "bench",
        "ANTHROPIC_BASE_URL": model,
    }
    with output.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.local", "run", cwd=ROOT, env=env, stdout=out, stderr=out
        )
    try:
        end = time.monotonic() + 120
        while not (data / "dev.json").exists():
            assert process.returncode is None, output.read_text()
            assert time.monotonic() < end, output.read_text()
            await asyncio.sleep(0.1)
        product = Product(http, data)
        await product.prepare()
        yield product
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 20)


@asynccontextmanager
async def _session() -> AsyncGenerator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


@asynccontextmanager
async def _sdk(model: str) -> AsyncGenerator[AsyncAnthropic]:
    async with AsyncAnthropic(
        api_key="bench", base_url=model, http_client=DefaultAioHttpClient()
    ) as client:
        yield client


_BODY: dict[str, Any] = {
    "model": "bench",
    "max_tokens": 1024,
    "messages": [
        {
            "role": "user",
            "content": f'<passage number="1" title="x">\n{TEXT}\n</passage>\n\nHow do I reset it?',
        }
    ],
}


async def _ask_sdk(client: AsyncAnthropic, run: Run) -> None:
    clock = Clock(run)
    async with await client.messages.create(**_BODY, stream=True) as stream:
        async for event in stream:
            if event.type == "content_block_delta":
                clock.chunk()


async def _ask_http(http: aiohttp.ClientSession, base: str, run: Run) -> None:
    clock = Clock(run)
    async with http.post(f"{base}/v1/messages", json={**_BODY, "stream": True}) as response:
        async for line in response.content:
            if line.startswith(b"event: content_block_delta"):
                clock.chunk()


async def _ask_peer(http: aiohttp.ClientSession, base: str, model: str, run: Run) -> None:
    clock = Clock(run)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": QUESTIONS[0]}],
        "stream": True,
    }
    async with http.post(f"{base}/v1/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            if line.startswith(b"data: ") and b'"content":"' in line.replace(b": ", b":"):
                clock.chunk()


# -- processes -------------------------------------------------------------------------------


@contextmanager
def _model(folder: Path) -> Iterator[str]:
    port = free_port()
    with _process([sys.executable, "-m", "libs.common.testing.model", str(port), "0"], folder):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _nginx(folder: Path, model: str) -> Iterator[str | None]:
    program = shutil.which("nginx")
    if program is None:
        yield None
        return
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, model=model))
    with _process([program, "-c", str(config)], folder):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _process(argv: list[str], folder: Path) -> Iterator[None]:
    with (folder / "process.out").open("ab") as out:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()


async def _up(http: aiohttp.ClientSession, url: str) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            async with http.post(url, json=0.0):
                return
        except aiohttp.ClientError:
            assert time.monotonic() < end, url
            await asyncio.sleep(0.05)


def _children() -> dict[int, list[int]]:
    tree: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            tree.setdefault(parent, []).append(int(path.parent.name))
    return tree


def _cpu(pid: int, tree: dict[int, list[int]]) -> float:
    used = 0.0
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used + sum(_cpu(child, tree) for child in tree.get(pid, []))


def _resident(pid: int) -> float:
    """MB, with the processes it started; what several share (libraries, the embedder's model) is
    divided among them.
    """
    total = 0.0
    for one in [pid, *_children().get(pid, [])]:
        with suppress(OSError):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += next(
                int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
            )
    return total * 1024 / 1e6

"""The basics: start to ready, first words of an answer, requests a second, memory at rest."""

import time
from pathlib import Path

import aiohttp

from bench.door import (
    SECONDS,
    auth,
    bare_handler,
    family,
    load,
    product,
)
from bench.harness import Report, Row, percentile, rate
from tests.conftest import RunningStack
from tests.e2e.client import Api

AREA = "basics"
ANSWERS = {1: 40, 50: 300}  # asked in all, by how many at once


async def measure(report: Report) -> None:
    started = time.perf_counter()
    async with product() as running, aiohttp.ClientSession() as http:
        words = "from `make run` to ready, installed before, new data"
        report.add(Row(AREA, words, time.perf_counter() - started, "s"))
        memory(report, running)
        bot = await Api(http, running.base_url, running.api_key).chatbot("Bench")
        async with bare_handler(running.data) as bare:
            await requests(report, running, bare)
            await first_words(report, running, http, bot, bare)


def memory(report: Report, running: RunningStack) -> None:
    """Each process with its children, before anyone asked anything."""
    sizes = {
        name: sum(_share(pid) for pid in family(pid))
        for name, pid in running.pids().items()
        if name != "supervisor"  # the others are its children
    }
    for name, size in sizes.items():
        report.add(Row(AREA, f"memory at rest: {name}", size, "MB"))
    report.add(Row(AREA, "memory at rest: all nine", sum(sizes.values()), "MB"))


def _share(pid: int) -> float:
    """MB of a process's memory, what it shares with others counted once among them (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


async def requests(report: Report, running: RunningStack, bare: str) -> None:
    url = f"{running.base_url}/api/chatbots"
    await load(url, auth(running), 1.0)
    ours, _ = await load(url, auth(running), SECONDS)
    floor, _ = await load(bare, {}, SECONDS / 2)
    report.add(Row(AREA, "GET /api/chatbots, 32 at once", ours, "/s", floor, "bare handler"))


async def first_words(
    report: Report, running: RunningStack, http: aiohttp.ClientSession, bot: str, bare: str
) -> None:
    """Extracted answers, no model: what the platform itself takes to the first frame."""
    api = Api(http, running.base_url, running.api_key)
    await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    for at_once, count in ANSWERS.items():
        await rate(lambda: asked(running, http, bot), count=at_once * 2, concurrency=at_once)
        _, ours = await rate(lambda: asked(running, http, bot), count=count, concurrency=at_once)
        _, floor = await rate(lambda: got(http, bare), count=count, concurrency=at_once)
        for share in (0.5, 0.99):
            name = f"first bytes of an answer, p{share * 100:g}, {at_once} at once"
            ms = percentile(ours, share) * 1e3, percentile(floor, share) * 1e3
            report.add(Row(AREA, name, ms[0], "ms", ms[1], "bare handler"))


async def asked(running: RunningStack, http: aiohttp.ClientSession, bot: str) -> None:
    """One question, up to the first frame of its answer; the rest is left unread."""
    headers = Api(http, running.base_url, running.api_key).headers()  # each from its own address
    url = f"{running.base_url}/api/chat/{bot}"
    body = {"message": "Where is the office?"}
    async with http.post(url, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert (await answer.content.readline()).startswith((b"id:", b":"))


async def got(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(url) as answer:
        await answer.read()

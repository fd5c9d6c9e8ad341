"""Search: what a question costs as knowledge grows, in one chatbot and beside many others.

Points with made-up vectors and texts go into the embedded vector server by the store that ingest
writes with; questions are asked as answers ask them, without embedding (10 to 30 ms, the same at
any size). Beside it stands the time that the same search takes at the smallest size.
"""

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from uuid import uuid4

import numpy as np

from bench.harness import Report, Row, percentile, timed
from deploy.local.programs import stop
from deploy.local.stack import Stack
from libs.retrieval.collection import Collection, VectorSettings
from libs.retrieval.passages import StoredPassage
from libs.retrieval.terms import passage_terms, query_terms
from libs.retrieval.vectors import NewPoint, VectorStore

SIZES = [int(n) for n in os.environ.get("CHATTERY_BENCH_POINTS", "1000,10000").split(",")]
DIMENSIONS = 384
QUESTIONS = 200
WRITTEN_AT_ONCE = 1_000  # points in memory
SHARE = 10  # one in so many points is of the chatbot that is asked
SYLLABLES = (
    "ha",
    "si",
    "en",
    "va",
    "co",
    "ma",
    "to",
    "be",
    "do",
    "fe",
    "ri",
    "lu",
    "na",
    "po",
    "ke",
)
WORDS = ["".join(parts) for parts in product(SYLLABLES, repeat=3)]  # 3,375
# As in a language few words make most texts: word n is as frequent as 1 / (n + 3).
OFTEN = np.cumsum(1 / np.arange(3.0, 3.0 + len(WORDS)))
OFTEN /= OFTEN[-1]
TEXT_WORDS, QUESTION_WORDS = 120, 8
START_TIMEOUT = 60.0  # seconds


async def measure(report: Report) -> None:
    folder = Path(tempfile.mkdtemp(prefix="chattery-bench-"))
    folder.chmod(0o755)
    stack = Stack(folder, 0, {})
    program = next(p for p in stack.servers() if p.name == "vectors")
    program.prepare()
    process = program.start()
    try:
        end = time.monotonic() + START_TIMEOUT
        while not program.ready() and time.monotonic() < end:
            await asyncio.sleep(0.02)
        await _sizes(report, stack.vectors_url(), process.pid)
    finally:
        stop(process, program.stop_signal, 10)
        shutil.rmtree(folder, ignore_errors=True)


async def _sizes(report: Report, url: str, pid: int) -> None:
    rng = np.random.default_rng(1)
    smallest: float | None = None
    async with AsyncExitStack() as stack:
        settings = VectorSettings(QDRANT_URL=url, collection=f"b{uuid4().hex[:8]}")  # pyright: ignore[reportCallIssue]
        store = await stack.enter_async_context(VectorStore.open(settings))
        live = await store.ensure("bench", DIMENSIONS)
        there = 0
        for size in SIZES:
            started = time.perf_counter()
            for start in range(there, size, WRITTEN_AT_ONCE):
                end = min(size, start + WRITTEN_AT_ONCE)
                await store.write(live, [_point(n, rng) for n in range(start, end)])
            written = (size - there) / (time.perf_counter() - started)
            there = size
            times = [await timed(lambda: _ask(store, live, rng)) for _ in range(QUESTIONS)]
            median = percentile(times, 0.5) * 1000
            smallest = smallest or median
            report.add(Row("search", f"p50 at {size:,}", median, "ms", smallest, "the smallest"))
            report.add(Row("search", f"p99 at {size:,}", percentile(times, 0.99) * 1000, "ms"))
            report.add(Row("search", f"points written, to {size:,}", written, "1/s"))
            report.add(Row("search", f"memory of the server at {size:,}", _resident(pid), "MB"))


async def _ask(store: VectorStore, live: Collection, rng: np.random.Generator) -> None:
    question = query_terms(_text(rng, QUESTION_WORDS), "en")
    [found] = await store.search(live, "acc", "bot_0", [(_vector(rng), question)])
    assert found.dense


def _point(number: int, rng: np.random.Generator) -> NewPoint:
    text = _text(rng, TEXT_WORDS)
    passage = StoredPassage(
        account="acc", chatbot=f"bot_{number % SHARE}", item=f"kn_{number // 10}", generation=1,
        ordinal=number % 10, state="live", kind="text", text=text, title="Page",
    )  # fmt: skip
    return NewPoint(passage, passage_terms(text, "en"), _vector(rng))


def _text(rng: np.random.Generator, words: int) -> str:
    return " ".join(WORDS[n] for n in np.searchsorted(OFTEN, rng.random(words)))


def _vector(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _resident(pid: int) -> float:
    """Megabytes that a process has in memory; of the largest below it where it only starts one."""
    found = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        if pid in (int(fields["Pid"]), int(fields["PPid"])) and "VmRSS" in fields:
            found.append(int(fields["VmRSS"].split()[0]) / 1024)
    return max(found)

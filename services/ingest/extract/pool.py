"""A few warm children that extract; the parent's side."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from libs.common.telemetry import log
from services.ingest.extract.blocks import Extracted, ExtractionFailed, Job, Outcome
from services.ingest.extract.worker import HEADER

START_TIMEOUT = 120.0  # seconds until a child has imported what pages need (0.6 on a free core)
SILENCE_TIMEOUT = 90.0  # seconds without a sign of life
WARM_EVERY = 5.0  # seconds
JOBS_PER_CHILD = 300  # then it is replaced, with what its libraries leaked; that takes seconds
LARGEST_ANSWER = 256 << 20  # bytes
ROOT = Path(__file__).resolve().parents[3]
_PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "SYSTEMROOT",
)

_decode = msgspec.msgpack.Decoder(Outcome).decode
_encode = msgspec.msgpack.Encoder().encode

Alive = Callable[[int], None]


class Extractor:
    """Extracts in children, ``size`` at once. Raises `ExtractionFailed`, never hangs."""

    def __init__(self, size: int) -> None:
        self._slots = asyncio.Semaphore(size)
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, size: int = 2) -> AsyncIterator["Extractor"]:
        extractor = cls(size)
        try:
            yield extractor
        finally:
            await extractor.close()

    async def keep_warm(self) -> None:
        """Have a child ready before a document asks for one, until cancelled."""
        while True:
            async with self._slots:
                if not self._idle:
                    with suppress(EOFError, TimeoutError, OSError):
                        self._idle.append(await self._start())
            await asyncio.sleep(WARM_EVERY)

    async def extract(self, job: Job, alive: Alive | None = None) -> Extracted:
        """``alive`` is told the page that was read, as a sign of life."""
        async with self._slots:
            child = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(job.limits.seconds):
                    outcome = await child.run(job, alive)
            except TimeoutError as exc:
                await self._end(child)
                message = "Reading the document took too long; split it and send the parts."
                raise ExtractionFailed("extraction_timeout", message) from exc
            except (EOFError, ConnectionError, msgspec.DecodeError) as exc:
                await self._end(child)
                message = (
                    "The document can't be read within the memory allowed; "
                    "split it, or save it again, and send that."
                )
                raise ExtractionFailed("out_of_memory", message) from exc
            except BaseException:
                await asyncio.shield(self._end(child))
                raise
            await self._give_back(child, outcome)
        if outcome.extracted is None:
            failure = outcome.failure
            assert failure is not None
            raise ExtractionFailed(failure.code, failure.message)
        return outcome.extracted

    async def close(self) -> None:
        for child in list(self._all):
            await self._end(child)

    async def _start(self) -> "_Child":
        child = await _Child.start()
        self._all.add(child)
        return child

    async def _give_back(self, child: "_Child", outcome: Outcome) -> None:
        spent = outcome.failure is not None and outcome.failure.code == "out_of_memory"
        if spent or child.jobs >= JOBS_PER_CHILD:
            await self._end(child)
        else:
            self._idle.append(child)

    async def _end(self, child: "_Child") -> None:
        self._all.discard(child)
        await child.kill()


class _Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.jobs = 0

    @classmethod
    async def start(cls) -> "_Child":
        started = time.monotonic()
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.ingest.extract.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={
                **kept,
                "DO_NOT_TRACK": "1",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
            limit=1 << 20,
        )
        child = cls(process)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await child._answer()
        except (EOFError, TimeoutError):
            await child.kill()
            raise
        log.debug("extractor_started", ms=round((time.monotonic() - started) * 1000))
        return child

    async def run(self, job: Job, alive: Alive | None) -> Outcome:
        self.jobs += 1
        stdin = self._process.stdin
        assert stdin is not None
        body = _encode(job)
        stdin.write(HEADER.pack(len(body)) + body)
        await stdin.drain()
        while True:
            async with asyncio.timeout(SILENCE_TIMEOUT):
                outcome = await self._answer()
            if outcome.extracted is not None or outcome.failure is not None:
                return outcome
            if alive is not None:
                alive(outcome.page)

    async def _answer(self) -> Outcome:
        stdout = self._process.stdout
        assert stdout is not None
        size = HEADER.unpack(await stdout.readexactly(HEADER.size))[0]
        if size > LARGEST_ANSWER:
            raise EOFError("answer too large")
        return _decode(await stdout.readexactly(size))

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        with suppress(ProcessLookupError, TimeoutError):
            async with asyncio.timeout(5):
                await self._process.wait()


@asynccontextmanager
async def scratch_file(suffix: str = "") -> AsyncIterator[Path]:
    """A file for a document on its way from the blob store to a child."""
    path = await asyncio.to_thread(_empty_file, suffix)
    try:
        yield path
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


def _empty_file(suffix: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="chattery-", suffix=suffix)
    os.close(handle)
    return Path(name)

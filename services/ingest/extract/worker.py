"""The child process: one document after another, under limits that the kernel enforces.

It reads jobs from its standard input and writes outcomes to its standard output, each as a
length and a msgpack body. It dies with its parent. What a document does to it (memory, time, a
crash inside a parser) ends this process alone.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec

from services.ingest.extract.blocks import (
    DocumentKind,
    Extracted,
    ExtractionFailed,
    Failure,
    Job,
    Outcome,
    no_text,
)

HEADER = struct.Struct(">I")
PR_SET_PDEATHSIG = 1
_MEMORY = "The document needs more memory to read than is allowed; split it and send the parts."
_CRASH = "The document can't be read; save it again, perhaps as PDF, and send that."

encode = msgspec.msgpack.Encoder().encode
decode_job = msgspec.msgpack.Decoder(Job).decode


def main() -> None:
    _die_with_parent()
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries that print must not break the protocol
    _warm()
    memory = _Memory()
    _send(output, Outcome())
    while (job := _receive(sys.stdin.buffer)) is not None:
        memory.allow(job.limits.memory)
        _send(output, _outcome(job, memory, lambda page: _send(output, Outcome(page=page))))


def _outcome(job: Job, memory: "_Memory", alive: Callable[[int], None]) -> Outcome:
    try:
        extracted = extract(job, memory, alive)
    except ExtractionFailed as exc:
        return Outcome(failure=Failure(exc.code, exc.message))
    except (MemoryError, RecursionError):
        return Outcome(failure=Failure("out_of_memory", _MEMORY))
    except Exception as exc:
        sys.stderr.write(f"extraction crashed: {type(exc).__name__}: {exc}\n")
        return Outcome(failure=Failure("unreadable", _CRASH))
    return Outcome(extracted=extracted)


def extract(job: Job, memory: "_Memory", alive: Callable[[int], None]) -> Extracted:
    """The blocks of a document. Raises `ExtractionFailed`."""
    from services.ingest.extract import office
    from services.ingest.extract.sniff import sniff

    with _opened(job) as file:
        kind = job.kind or sniff(file, job.name)
        if kind in ("docx", "md"):
            memory.uncounted(office.warm)
        extracted = _by_kind(kind, file, job, alive)
    if not any(block.text.strip() for block in extracted.blocks):
        raise no_text()
    if sum(len(block.text) for block in extracted.blocks) > job.limits.characters:
        raise ExtractionFailed("too_large", "The document has more text than is taken.")
    return extracted


def _by_kind(
    kind: DocumentKind, file: BinaryIO, job: Job, alive: Callable[[int], None]
) -> Extracted:
    from services.ingest.extract import html, office, pdf, plain
    from services.ingest.extract.charset import decode

    title = Path(job.name).stem or job.name
    match kind:
        case "pdf":
            source = Path(job.path) if job.path else file.read()
            return pdf.extract_pdf(source, title, job.limits, alive)
        case "docx":
            return office.extract_docx(file, title, job.limits)
        case "html":
            return html.extract_html(file.read(), job.url, title, job.charset)
        case "md":
            return office.extract_markdown(decode(file.read(), job.charset), title)
        case "txt":
            return plain.extract_text(decode(file.read(), job.charset), title)


def _opened(job: Job) -> BinaryIO:
    return Path(job.path).open("rb") if job.path else BytesIO(job.data or b"")


# -- the process -----------------------------------------------------------------------------


def _receive(stream: BinaryIO) -> Job | None:
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    return decode_job(stream.read(HEADER.unpack(header)[0]))


def _send(stream: BinaryIO, outcome: Outcome) -> None:
    body = encode(outcome)
    stream.write(HEADER.pack(len(body)) + body)
    stream.flush()


def _die_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    with suppress(OSError, AttributeError):  # Linux; elsewhere the end of input is enough
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


def _warm() -> None:
    """Import what pages and PDFs need; for other documents it takes longer, and is done later."""
    from services.ingest.extract import html, pdf  # noqa: F401


class _Memory:
    """The limit on what this process maps: as much as it does when idle, and what a job may."""

    def __init__(self) -> None:
        self._base = _mapped()
        self._allowed = 0

    def allow(self, size: int) -> None:
        self._allowed = size
        _limit(self._base + size)

    def uncounted(self, load: Callable[[], None]) -> None:
        """Load libraries, which stay: that is no part of what a job takes."""
        before = _mapped()
        _limit(resource.RLIM_INFINITY)
        load()
        self._base += _mapped() - before
        _limit(self._base + self._allowed)


def _mapped() -> int:
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * resource.getpagesize()
    return 0


def _limit(size: int) -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()

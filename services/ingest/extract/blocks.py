"""What extraction yields, and why it may not."""

from collections.abc import Iterable
from typing import Literal

import msgspec

BlockKind = Literal["heading", "text", "list", "table", "code"]
DocumentKind = Literal["html", "pdf", "docx", "md", "txt"]


class Block(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """A piece of a document in reading order. ``level`` is a heading's, 1 for the highest."""

    kind: BlockKind
    text: str
    level: int = 0
    page: int | None = None


def table_row(cells: Iterable[str]) -> str:
    """A row as a line, ``a | b``; what is padded to the width of its table, as a caption, alone."""
    row = list(cells)
    told = [cell for cell in row if cell]
    return " | ".join(row) if len(told) > 1 else "".join(told)


class Extracted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document. What follows ``pages`` is found on web pages alone."""

    title: str
    blocks: list[Block]
    pages: int = 0
    canonical: str | None = None
    links: list[str] = []
    noindex: bool = False
    nofollow: bool = False
    refresh: str | None = None  # where a meta refresh leads


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one extraction."""

    memory: int = 380 << 20  # bytes above what the idle child maps
    seconds: float = 240.0
    pages: int = 5_000
    characters: int = 30_000_000
    unpacked: int = 300 << 20  # bytes of an archive's content
    ratio: int = 150  # unpacked to packed, above a megabyte


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a child is given: bytes or a path. Without ``kind`` the content decides."""

    name: str
    path: str | None = None
    data: bytes | None = None
    kind: DocumentKind | None = None
    charset: str | None = None
    url: str | None = None
    limits: Limits = Limits()


class Failure(msgspec.Struct, frozen=True):
    code: str
    message: str


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """A child's answer. With neither field it is a sign of life."""

    extracted: Extracted | None = None
    failure: Failure | None = None
    page: int = 0


class ExtractionFailed(Exception):
    """The input can't be used; ``message`` tells its owner why and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def no_text() -> ExtractionFailed:
    return ExtractionFailed("no_text", "No readable text was found in it.")

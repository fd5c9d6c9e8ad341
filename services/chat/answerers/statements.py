"""What a passage states, one statement at a time: sentences, list items, rows of a table.

A row is said with its label, and with the names of the columns where there are more than two;
steps of a numbered list belong together, as does a list with the line that announces it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
import regex

from libs.retrieval.passages import Passage
from services.chat.answerers.quotes import sentences

LONGEST_LIST = 700  # characters of a list that is said as a whole
CELL = " | "
_ITEM = regex.compile(r"^(?:[-*•] |\d{1,2}[.)] )")
_STEP = regex.compile(r"^\d{1,2}[.)] ")
_DIGIT = regex.compile(r"\p{N}")


class Statement(msgspec.Struct, frozen=True):
    """``text`` is what is said, ``quote`` what stands in the passage; ``list`` numbers its list."""

    passage: int
    position: int
    text: str
    quote: str
    list: int | None = None
    step: bool = False
    row: bool = False


def statements(passages: Sequence[Passage]) -> list[Statement]:
    """Those of all passages, in order."""
    return [one for number, passage in enumerate(passages) for one in _of(number, passage.text)]


def whole_list(among: Sequence[Statement], one: Statement) -> list[Statement]:
    """A statement with the list it is a step of, or announces; else alone."""
    same = [s for s in among if s.passage == one.passage]
    wanted = one.list if one.step else _announced(same, one)
    if wanted is None:
        return [one]
    listed = [s for s in same if s.list == wanted or s.position == one.position]
    return listed if sum(len(s.text) for s in listed) <= LONGEST_LIST else [one]


def _announced(same: Sequence[Statement], one: Statement) -> int | None:
    after = next((s for s in same if s.position == one.position + 1), None)
    return after.list if after and one.text.endswith((":", "：")) else None


def _of(number: int, text: str) -> Iterator[Statement]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    position = 0
    for lists, (kind, run) in enumerate(groupby(lines, _kind)):
        group = list(run)
        for said, quote in _said(kind, group):
            listed = lists if kind == "list" else None
            step = kind == "list" and len(group) > 1 and bool(_STEP.match(quote))
            yield Statement(number, position, said, quote, listed, step, kind == "table")
            position += 1


def _kind(line: str) -> str:
    if CELL in line:
        return "table"
    return "list" if _ITEM.match(line) else "text"


def _said(kind: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    """What is said, and what it stands for, of lines of one kind."""
    if kind == "table":
        yield from _rows(lines)
    elif kind == "list":
        yield from ((line, line) for line in lines)
    else:
        yield from ((said, said) for line in lines for said in sentences(line))


def _rows(lines: list[str]) -> Iterator[tuple[str, str]]:
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    head = rows[0] if len(rows) > 1 and _is_head(rows) else None
    for line, cells in list(zip(lines, rows, strict=True))[1 if head else 0 :]:
        if any(cells):
            yield _row(head, cells), line


def _is_head(rows: list[list[str]]) -> bool:
    """Names of columns have no digits, and below them are some; two columns may have no names."""
    if _DIGIT.search("".join(rows[0])) or len(rows[0]) != len(rows[1]):
        return False
    return any(_DIGIT.search("".join(row[1:])) for row in rows[1:]) or len(rows[0]) > 2


def _row(head: list[str] | None, cells: list[str]) -> str:
    label, *values = cells
    if head is None or len(cells) != len(head) or len(cells) <= 2:
        return f"{label}: {', '.join(v for v in values if v)}" if label and any(values) else label
    named = (
        f"{name}: {value}" if name else value
        for name, value in zip(head[1:], values, strict=True)
        if value
    )
    return f"{label} – {', '.join(named)}"

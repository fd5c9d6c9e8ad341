"""A conversation as a file: CSV for spreadsheets, a transcript for people, JSON for programs."""

import csv
import io
from collections.abc import AsyncIterator, Callable

import msgspec

from libs.common.calls import Conversation, ExportConversation, ExportPart, ListMessages, Message
from libs.common.db import Database
from libs.common.envelope import Context
from services.chat import talks
from services.chat.store import messages

COLUMNS = ("timestamp", "sender", "author", "message", "messageId")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PAGE = 100  # messages read at once
MAGIC = "\ufeff"  # so that spreadsheets read UTF-8


class Exports:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def export(
        self, context: Context, request: ExportConversation
    ) -> AsyncIterator[ExportPart]:
        """Its messages without the notes, a page a part. Raises `NoConversation`."""
        conversation = await talks.visible(self._db, context, request.id)
        shape = _SHAPES[request.format](conversation)
        yield ExportPart(content=shape.head)
        cursor: str | None = None
        first = True
        while True:
            async with self._db.transaction(context.account) as tx:
                page = await messages.page(
                    tx,
                    context.account,
                    ListMessages(id=request.id, cursor=cursor, limit=PAGE),
                    internal=False,
                )
            if page.data:
                yield ExportPart(content=shape.part(page.data, first))
                first = False
            cursor = page.pagination.cursor
            if cursor is None:
                break
        if shape.tail:
            yield ExportPart(content=shape.tail)


class _Shape(msgspec.Struct, frozen=True):
    head: str
    part: Callable[[list[Message], bool], str]
    tail: str = ""


def _csv(_: Conversation) -> _Shape:
    return _Shape(MAGIC + _rows([COLUMNS]), lambda messages, _: _rows([_row(m) for m in messages]))


def _rows(rows: list[tuple[str, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _row(message: Message) -> tuple[str, ...]:
    cells = (
        _time(message),
        message.sender,
        message.author or "",
        message.text,
        message.id,
    )
    return tuple(_cell(cell) for cell in cells)


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _transcript(conversation: Conversation) -> _Shape:
    started = conversation.created_at.strftime("%Y-%m-%d %H:%M UTC")
    return _Shape(
        f"Conversation {conversation.id}, {started}\n",
        lambda messages, _: "".join(f"\n{_paragraph(m)}\n" for m in messages),
    )


def _paragraph(message: Message) -> str:
    """One message a paragraph: blank lines within it would begin another."""
    text = "\n".join(line for line in message.text.splitlines() if line.strip())
    who = message.author or message.sender
    return f"[{_time(message)}] {who}: {text}"


def _json(conversation: Conversation) -> _Shape:
    begun = msgspec.json.encode(conversation).decode()
    return _Shape(
        f'{{"conversation":{begun},"messages":[',
        lambda messages, first: (
            ("" if first else ",") + ",".join(msgspec.json.encode(m).decode() for m in messages)
        ),
        "]}",
    )


def _time(message: Message) -> str:
    return message.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")


_SHAPES: dict[str, Callable[[Conversation], _Shape]] = {
    "csv": _csv,
    "transcript": _transcript,
    "json": _json,
}

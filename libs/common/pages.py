"""Lists, a page at a time: ids sort by creation, so the last id shown is the cursor."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString

from libs.common.calls.shapes import Pagination
from libs.common.db import Tx
from libs.common.errors import BadRequest


def _not_ours() -> BadRequest:
    text = "This cursor is not valid; start from the first page."
    return BadRequest(text, details={"field": "cursor"})


def encode(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str | None:
    """The position in a cursor. Raises `BadRequest` when it is not one of ours."""
    if cursor is None:
        return None
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        position = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as exc:
        raise _not_ours() from exc
    if not position or not position.isprintable():  # of ids and times; Postgres takes no NUL
        raise _not_ours()
    return position


def decode_moment(cursor: str | None) -> tuple[datetime | None, str | None]:
    """The position in a list that is ordered by a time, then by id."""
    if (position := decode(cursor)) is None:
        return None, None
    moment, _, id = position.partition(" ")
    try:
        return datetime.fromisoformat(moment), id
    except ValueError as exc:
        raise _not_ours() from exc


def decode_number(cursor: str | None, *, before: int) -> int:
    """The position in a list that is ordered by a number; ``before`` the first without one."""
    if (position := decode(cursor)) is None:
        return before
    if not position.isascii() or not position.isdigit() or len(position) > 9:
        raise _not_ours()
    return int(position)


def by_id(row: dict[str, Any]) -> str:
    return row["id"]


def by_moment(row: dict[str, Any]) -> str:
    """For `decode_moment`: the query calls the time ``moment``."""
    return f"{row['moment'].isoformat()} {row['id']}"


async def page(
    tx: Tx,
    query: LiteralString,
    parameters: dict[str, Any],
    limit: int,
    position: Callable[[dict[str, Any]], str] = by_id,
) -> tuple[list[dict[str, Any]], Pagination]:
    """Rows of one page. ``query`` orders by what ``position`` tells and takes ``%(rows)s`` rows."""
    cursor = await tx.execute(query, {**parameters, "rows": limit + 1})
    rows = await cursor.fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, Pagination(cursor=encode(position(rows[-1])) if more else None, has_more=more)

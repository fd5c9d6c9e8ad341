"""The messages of conversations."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

import msgspec

from libs.common import pages
from libs.common.calls import FeedbackState, ListMessages, Message, Page, Source
from libs.common.db import Returned, Tx, as_json
from services.chat.store import live

PREVIEW = 140  # characters of the last one that its conversation shows


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    conversation_id: str
    chatbot_id: str
    sender: str
    text: str
    sources: list[Source] = []
    status: str = "sent"
    internal: bool = False
    author: str | None = None
    author_id: str | None = None
    answer_id: str | None = None
    client_message_id: str | None = None
    metadata: dict[str, Any] = {}


def _message(row: dict[str, Any]) -> Message:
    running = row.get("running_answer")
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        sender=row["sender"],
        text=row["text"],
        sources=msgspec.convert(row["sources"], list[Source]),
        feedback=FeedbackState(rating=row["rating"], comment=row["comment"])
        if row["rating"]
        else None,
        author=row["author"],
        created_at=row["created_at"],
        status="answering" if running else row["status"],
        internal=row["internal"],
        answer_id=running or row["answer_id"],
    )


async def add(tx: Tx, account: str, *new: NewMessage) -> list[tuple[Message, live.Added]]:
    """Store messages, one a conversation, and the events that show them to those who watch."""
    messages = [_new(message) for message in new]
    told = [
        live.unnumbered(message.conversation_id, "message", message, internal=message.internal)
        for message in messages
    ]
    rows = [
        {
            "data": event.data,
            "chatbot": message.chatbot_id,
            "author_id": message.author_id,
            "client": message.client_message_id,
            "metadata": message.metadata,
            "preview": message.text[:PREVIEW],
        }
        for message, event in zip(new, told, strict=True)
    ]
    cursor = await tx.execute(
        "with new as (select *, data->>'id' as id, data->>'conversationId' as conversation,"  # noqa: S608 - constants
        " 'message' as event, (data->>'internal')::boolean as internal,"
        " (data->>'createdAt')::timestamptz as at from json_to_recordset(%(rows)s::json) as r"
        " (data jsonb, chatbot text, author_id text, client text, metadata jsonb, preview text)),"
        " added as (insert into messages (id, account_id, conversation_id, chatbot_id, sender,"
        " text, sources, status, internal, author, author_id, answer_id, client_message_id,"
        " metadata, created_at) select id, %(account)s, conversation, chatbot, data->>'sender',"
        " data->>'text', data->'sources', data->>'status', internal, data->>'author', author_id,"
        " data->>'answerId', client, metadata, at from new),"
        " counted as (update conversations c set message_count = message_count + 1,"
        " last_message_at = new.at, preview = new.preview from new"
        " where c.id = any(%(conversations)s) and (c.account_id = %(account)s) is true"
        " and c.id = new.conversation and not new.internal) " + live.INSERT,
        {
            "account": account,
            "conversations": [message.conversation_id for message in new],
            "rows": as_json(rows),
        },
    )
    returned = Returned(cursor, "id")
    return [
        (message, live.Added(event, returned))
        for message, event in zip(messages, told, strict=True)
    ]


def _new(message: NewMessage) -> Message:
    return Message(
        id=message.id,
        conversation_id=message.conversation_id,
        sender=message.sender,  # pyright: ignore[reportArgumentType]
        text=message.text,
        sources=message.sources,
        feedback=None,
        author=message.author,
        created_at=datetime.now(UTC),
        status=message.status,  # pyright: ignore[reportArgumentType]
        internal=message.internal,
        answer_id=message.answer_id,
    )


class Before(msgspec.Struct, frozen=True):
    """A message that was sent before."""

    client_message_id: str
    conversation_id: str
    visitor_id: str
    message_id: str
    answer_id: str


async def asked_before(
    tx: Tx, account: str, chatbot: str, client_message_ids: Sequence[str]
) -> list[Before]:
    """Those of some messages that were sent before, whoever's they are."""
    cursor = await tx.execute(
        "select m.client_message_id, m.conversation_id, c.visitor_id, m.id, a.id as answer_id"
        " from unnest(%(ids)s::text[]) client cross join lateral (select * from messages"
        "  where account_id = %(account)s and chatbot_id = %(chatbot)s"
        "  and client_message_id = client offset 0) m"
        " join conversations c on c.id = m.conversation_id"
        " join answers a on a.question_id = m.id and a.conversation_id = c.id",
        {"ids": list(client_message_ids), "account": account, "chatbot": chatbot},
    )
    return [
        Before(
            row["client_message_id"],
            row["conversation_id"],
            row["visitor_id"],
            row["id"],
            row["answer_id"],
        )
        for row in await cursor.fetchall()
    ]


async def get(tx: Tx, account: str, conversation: str, id: str) -> Message | None:
    cursor = await tx.execute(
        "select * from messages where account_id = %s and conversation_id = %s and id = %s",
        (account, conversation, id),
    )
    row = await cursor.fetchone()
    return _message(row) if row else None


async def page(tx: Tx, account: str, wanted: ListMessages, *, internal: bool) -> Page[Message]:
    """Oldest first unless asked otherwise; notes only for those who work here.

    A question whose answer is still being written has the status ``answering`` and its id.
    """
    after: LiteralString = " and (%(after)s::text is null or m.id > %(after)s) order by m.id"
    if wanted.order == "newest":
        after = " and (%(after)s::text is null or m.id < %(after)s) order by m.id desc"
    rows, pagination = await pages.page(
        tx,
        "select m.*, a.id as running_answer from messages m left join answers a on"  # noqa: S608 - constants
        " a.conversation_id = m.conversation_id and a.finished_at is null and a.question_id = m.id"
        " where m.account_id = %(account)s and m.conversation_id = %(id)s"
        f" and (%(internal)s or not m.internal){after} limit %(rows)s",
        {
            "account": account,
            "id": wanted.id,
            "internal": internal,
            "after": pages.decode(wanted.cursor),
        },
        wanted.limit,
    )
    return Page(data=[_message(row) for row in rows], pagination=pagination)


async def latest(
    tx: Tx, account: str, conversations: Sequence[str], limit: int
) -> dict[str, list[Message]]:
    """The last messages of some conversations, oldest first, without notes."""
    cursor = await tx.execute(
        "select m.* from unnest(%(ids)s::text[]) id cross join lateral (select * from messages"
        " where account_id = %(account)s and conversation_id = id.id and not internal"
        " order by id desc limit %(limit)s) m order by m.id",
        {"ids": list(conversations), "account": account, "limit": limit},
    )
    found: dict[str, list[Message]] = {id: [] for id in conversations}
    for row in await cursor.fetchall():
        found[row["conversation_id"]].append(_message(row))
    return found


async def up_to(tx: Tx, account: str, conversation: str, id: str, limit: int) -> list[Message]:
    """One message and the last ones before it, oldest first, without notes."""
    cursor = await tx.execute(
        "select * from messages where account_id = %s and conversation_id = %s and id <= %s"
        " and not internal order by id desc limit %s",
        (account, conversation, id, limit),
    )
    return [_message(row) for row in reversed(await cursor.fetchall())]


async def rate(
    tx: Tx, account: str, conversation: str, id: str, rating: str, comment: str | None
) -> Message | None:
    cursor = await tx.execute(
        "update messages set rating = %s, comment = %s, rated_at = now() where account_id = %s"
        " and conversation_id = %s and id = %s and sender in ('bot', 'admin') and not internal"
        " returning *",
        (rating, comment, account, conversation, id),
    )
    row = await cursor.fetchone()
    return _message(row) if row else None


async def this_month(tx: Tx, account: str) -> int:
    cursor = await tx.execute(
        "select count(*) as n from messages where account_id = %s and sender = 'visitor'"
        " and created_at >= date_trunc('month', now() at time zone 'utc') at time zone 'utc'",
        (account,),
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0

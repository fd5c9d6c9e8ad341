"""The messages of conversations."""

from datetime import UTC, datetime
from typing import Any, LiteralString

import msgspec
from psycopg.types.json import Jsonb

from libs.common import pages
from libs.common.calls import FeedbackState, ListMessages, Message, Page, Source
from libs.common.db import Tx
from services.chat.store import live

PREVIEW = 140  # characters of the last one that its conversation shows
LAST = "msg_\uffff"  # after every message's id


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


async def add(tx: Tx, account: str, new: NewMessage) -> tuple[Message, live.Added]:
    """Store a message, and the event that shows it to those who watch."""
    message = Message(
        id=new.id,
        conversation_id=new.conversation_id,
        sender=new.sender,  # pyright: ignore[reportArgumentType]
        text=new.text,
        sources=new.sources,
        feedback=None,
        author=new.author,
        created_at=datetime.now(UTC),
        status=new.status,  # pyright: ignore[reportArgumentType]
        internal=new.internal,
        answer_id=new.answer_id,
    )
    told = live.unnumbered(new.conversation_id, "message", message, internal=new.internal)
    cursor = await tx.execute(
        "with added as (insert into messages"  # noqa: S608 - constants
        " (id, account_id, conversation_id, chatbot_id, sender, text, sources, status, internal,"
        " author, author_id, answer_id, client_message_id, metadata, created_at) values (%(id)s, %(account)s, %(conversation)s, %(chatbot)s,"
        " %(sender)s, %(text)s, %(sources)s, %(status)s, %(internal)s, %(author)s, %(author_id)s,"
        " %(answer)s, %(client)s, %(metadata)s, %(now)s)), counted as (update conversations"
        " set message_count = message_count + 1, last_message_at = %(now)s, preview = %(preview)s"
        " where account_id = %(account)s and id = %(conversation)s and not %(internal)s) "
        + live.INSERT,
        {
            **live.values(account, told),
            "id": new.id,
            "chatbot": new.chatbot_id,
            "sender": new.sender,
            "text": new.text,
            "sources": Jsonb(told.data["sources"]),
            "status": new.status,
            "author": new.author,
            "author_id": new.author_id,
            "answer": new.answer_id,
            "client": new.client_message_id,
            "metadata": Jsonb(new.metadata),
            "now": message.created_at,
            "preview": new.text[:PREVIEW],
        },
    )
    return message, live.Added(told, cursor)


async def asked_before(
    tx: Tx, account: str, chatbot: str, client_message_id: str, visitor: str | None
) -> tuple[str, str, str, str] | None:
    """Conversation, visitor, message and answer of a message that was sent before."""
    cursor = await tx.execute(
        "select m.conversation_id, c.visitor_id, m.id, a.id as answer_id from messages m"
        " join conversations c on c.id = m.conversation_id"
        " join answers a on a.question_id = m.id"
        " where m.account_id = %s and m.chatbot_id = %s and m.client_message_id = %s"
        " and (%s::text is null or c.visitor_id = %s) limit 1",
        (account, chatbot, client_message_id, visitor, visitor),
    )
    row = await cursor.fetchone()
    return (row["conversation_id"], row["visitor_id"], row["id"], row["answer_id"]) if row else None


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


async def recent(tx: Tx, account: str, conversation: str, before: str, limit: int) -> list[Message]:
    """The last messages before one, oldest first, without notes."""
    cursor = await tx.execute(
        "select * from messages where account_id = %s and conversation_id = %s and id < %s"
        " and not internal order by id desc limit %s",
        (account, conversation, before, limit),
    )
    return [_message(row) for row in reversed(await cursor.fetchall())]


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

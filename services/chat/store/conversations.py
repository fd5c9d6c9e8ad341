"""Conversations."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString

import msgspec
from psycopg import sql
from psycopg.types.json import Jsonb

from libs.common import pages
from libs.common.calls import (
    Conversation,
    EscalationState,
    ListConversations,
    Page,
)
from libs.common.db import Tx, as_json


class ConversationRow(msgspec.Struct, frozen=True):
    """A conversation with what only the service needs to know of it."""

    public: Conversation
    human: bool  # a person replied: the bot is silent
    waiting_told: bool  # the visitor was told that people have been called
    floor_misses: int  # answers in a row that knowledge did not support


_MOMENT: LiteralString = "coalesce(c.last_message_at, c.created_at)"
_SELECT: LiteralString = (  # of constants
    f"select c.*, {_MOMENT} as moment, (select a.id from answers a"  # noqa: S608
    " where a.conversation_id = c.id and a.finished_at is null order by a.seq limit 1) as running_answer from conversations c"
)


def _conversation(row: dict[str, Any]) -> Conversation:
    escalation = row["escalation"]
    return Conversation(
        id=row["id"],
        chatbot_id=row["chatbot_id"],
        visitor_id=row["visitor_id"],
        status=row["status"],
        language=row["language"],
        tags=row["tags"],
        assignee_id=row["assignee_id"],
        escalation=msgspec.convert(escalation, EscalationState) if escalation else None,
        message_count=row["message_count"],
        last_message_at=row["last_message_at"],
        created_at=row["created_at"],
        answer_id=row.get("running_answer"),
        preview=row["preview"],
    )


def _row(row: dict[str, Any]) -> ConversationRow:
    return ConversationRow(
        _conversation(row), row["human"], row["waiting_told"], row["floor_misses"]
    )


def new(id: str, *, chatbot: str, visitor: str, language: str) -> ConversationRow:
    """One that begins now."""
    public = Conversation(
        id=id,
        chatbot_id=chatbot,
        visitor_id=visitor,
        status="open",
        language=language,
        tags=[],
        assignee_id=None,
        escalation=None,
        message_count=0,
        last_message_at=None,
        created_at=datetime.now(UTC),
    )
    return ConversationRow(public, human=False, waiting_told=False, floor_misses=0)


async def insert(tx: Tx, account: str, chatbot: str, talks: Sequence[Conversation]) -> None:
    """New conversations of a chatbot."""
    rows = [(talk.id, talk.visitor_id, talk.language, talk.created_at) for talk in talks]
    await tx.execute(
        "insert into conversations (id, account_id, chatbot_id, visitor_id, language, created_at)"
        " select new->>0, %s, %s, new->>1, new->>2, (new->>3)::timestamptz"
        " from json_array_elements(%s::json) new",
        (account, chatbot, as_json(rows)),
    )


async def hold_for(
    tx: Tx, account: str, answers: Mapping[str, str], owner: str
) -> dict[str, ConversationRow]:
    """The conversations of answers that are to end, by answer; both are locked.

    ``answers``: answer → conversation. Left out is an answer that ended already or is not the
    owner's, and one whose chatbot is being deleted.
    """
    cursor = await tx.execute(
        "select c.*, a.id as answer from answers a join conversations c on c.id = a.conversation_id"
        " join chatbots b on b.id = c.chatbot_id and b.status = 'active'"
        " where a.id = any(%(answers)s) and c.id = any(%(conversations)s)"
        " and (a.account_id = %(account)s and c.account_id = a.account_id"
        "  and a.owner = %(owner)s and a.finished_at is null) is true"
        " order by c.id for update of c, a",
        {
            "account": account,
            "answers": list(answers),
            "conversations": list(answers.values()),
            "owner": owner,
        },
    )
    return {row["answer"]: _row(row) for row in await cursor.fetchall()}


async def get(tx: Tx, account: str, id: str, *, lock: bool = False) -> ConversationRow | None:
    query = _SELECT + " where c.account_id = %s and c.id = %s"
    cursor = await tx.execute(f"{query} for update of c" if lock else query, (account, id))
    row = await cursor.fetchone()
    return _row(row) if row else None


async def hold_all(tx: Tx, account: str, ids: Sequence[str]) -> dict[str, ConversationRow]:
    """Some conversations by their ids, locked in the order of these as everywhere."""
    cursor = await tx.execute(
        _SELECT + " where c.id = any(%s) and (c.account_id = %s) is true"
        " order by c.id for update of c",
        (list(ids), account),
    )
    return {row["id"]: _row(row) for row in await cursor.fetchall()}


async def latest_of_visitor(
    tx: Tx, account: str, chatbot: str, visitor: str
) -> Conversation | None:
    cursor = await tx.execute(
        _SELECT + " where c.account_id = %s"
        " and c.chatbot_id = %s and c.visitor_id = %s order by c.id desc limit 1",
        (account, chatbot, visitor),
    )
    row = await cursor.fetchone()
    return _conversation(row) if row else None


async def page(tx: Tx, account: str, wanted: ListConversations) -> Page[Conversation]:
    """Newest first, or those first that were last written in."""
    moved = wanted.sort == "activity"
    moment, after = (
        pages.decode_moment(wanted.cursor) if moved else (None, pages.decode(wanted.cursor))
    )
    rows, pagination = await pages.page(
        tx,
        _SELECT  # noqa: S608 - constants
        + " where c.account_id = %(account)s and (%(after)s::text is null or "
        + (f"({_MOMENT}, c.id) < (%(moment)s, %(after)s))" if moved else "c.id < %(after)s)")
        + " and (%(chatbot)s::text is null or c.chatbot_id = %(chatbot)s)"
        " and (%(status)s::text is null or c.status = %(status)s)"
        " and (%(tag)s::text is null or %(tag)s = any(c.tags))"
        " and (%(visitor)s::text is null or c.visitor_id = %(visitor)s)"
        " and (%(assignee)s::text is null or c.assignee_id = %(assignee)s)"
        " and (%(from)s::timestamptz is null or c.created_at >= %(from)s)"
        " and (%(to)s::timestamptz is null or c.created_at < %(to)s)"
        " and (%(q)s::text is null or exists (select 1 from messages m where"
        " m.conversation_id = c.id and strpos(lower(m.text), lower(%(q)s)) > 0))"
        " order by " + (f"{_MOMENT} desc, " if moved else "") + "c.id desc limit %(rows)s",
        {
            "account": account,
            "after": after,
            "moment": moment,
            "chatbot": wanted.chatbot_id,
            "status": wanted.status,
            "tag": wanted.tag,
            "visitor": wanted.visitor_id,
            "assignee": wanted.assignee_id,
            "from": wanted.from_,
            "to": wanted.to,
            "q": wanted.q,
        },
        wanted.limit,
        pages.by_moment if moved else pages.by_id,
    )
    return Page(data=[_conversation(row) for row in rows], pagination=pagination)


async def change(tx: Tx, account: str, id: str, **columns: Any) -> None:
    """Set some columns: status, tags, assignee_id, escalation, human, waiting_told, floor_misses."""
    allowed = {
        "status", "tags", "assignee_id", "escalation", "human", "waiting_told", "floor_misses",
    }  # fmt: skip
    assert columns.keys() <= allowed
    values = {
        name: Jsonb(value) if name == "escalation" and value is not None else value
        for name, value in columns.items()
    }
    sets = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values
    )
    query = sql.SQL("update conversations set {} where account_id = %(account)s and id = %(id)s")
    await tx.execute(query.format(sets), {**values, "account": account, "id": id})


async def hold(tx: Tx, *names: str) -> None:
    """Be alone with these names until the transaction ends."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended(name, 0))"
        " from unnest(%s::text[]) name order by name",
        (list(names),),
    )


async def past_retention(tx: Tx, limit: int) -> dict[str, list[str]]:
    """Some conversations their chatbots no longer remember, by account; held."""
    cursor = await tx.execute(
        "select c.account_id, c.id from conversations c join chatbots b on b.id = c.chatbot_id"
        " where b.retention_days is not null and"
        " coalesce(c.last_message_at, c.created_at) < now() - make_interval(days => b.retention_days)"
        " limit %s for update of c skip locked",
        (limit,),
    )
    found: dict[str, list[str]] = {}
    for row in await cursor.fetchall():
        found.setdefault(row["account_id"], []).append(row["id"])
    return found


async def of_visitor(tx: Tx, account: str, visitor: str, limit: int) -> list[str]:
    cursor = await tx.execute(
        "select id from conversations where account_id = %s and visitor_id = %s order by id"
        " limit %s for update",
        (account, visitor, limit),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def remove(tx: Tx, account: str, ids: list[str]) -> None:
    """Conversations with all that hangs on them."""
    await tx.execute(
        "delete from live_events where account_id = %s and conversation_id = any(%s)",
        (account, ids),
    )
    await tx.execute(
        "delete from conversations where account_id = %s and id = any(%s)", (account, ids)
    )


async def remove_all(tx: Tx, account: str) -> None:
    """Everything of an account; its outbox goes on to be published."""
    await tx.execute("delete from live_events where account_id = %s", (account,))
    await tx.execute("delete from jobs where account_id = %s", (account,))
    await tx.execute("delete from visitors where account_id = %s", (account,))
    await tx.execute("delete from chatbots where account_id = %s", (account,))

"""Answers in flight: who works on which, and until when that may be believed.

A writer is a process; it holds all that it writes by one lease, which it renews while it works.
Whoever finds that lapsed may claim what it held. All later writes to an answer name its owner,
so that one who lost it writes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from libs.common.db import Returned, Tx, as_json

LEASE = 3.0  # seconds
LATE = 30.0  # seconds after which a transaction that stored an answer is over for certain
HELD = datetime(9000, 1, 1, tzinfo=UTC)  # the lease of an answer that its writer's lease holds


class AnswerRow(msgspec.Struct, frozen=True):
    id: str
    account_id: str
    chatbot_id: str
    conversation_id: str
    question_id: str
    message_id: str
    language: str
    status: str
    attempts: int
    stop_requested: bool
    frames: list[str]
    finished: bool
    created_at: datetime
    traceparent: str = ""
    owner: str | None = None


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer ended."""

    id: str
    status: str
    frames: list[str]
    first_token_ms: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


def _answer(row: dict[str, Any]) -> AnswerRow:
    return AnswerRow(
        row["id"],
        row["account_id"],
        row["chatbot_id"],
        row["conversation_id"],
        row["question_id"],
        row["message_id"],
        row["language"],
        row["status"],
        row["attempts"],
        row["stop_requested"],
        row["frames"],
        row["finished_at"] is not None,
        row["created_at"],
        row["traceparent"],
        row["owner"],
    )


class NewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """To be written; ``owner`` works on it, if anybody does yet."""

    id: str
    conversation: str
    question: str
    message: str
    language: str
    traceparent: str = ""
    owner: str | None = None


async def insert(tx: Tx, account: str, chatbot: str, new: Sequence[NewAnswer]) -> Returned:
    """New answers, one a conversation; `inserted` tells what became of each.

    Its owner works on it from now on, unless an earlier one of the conversation (whose row the
    caller holds) has not ended.
    """
    cursor = await tx.execute(
        "insert into answers (id, account_id, chatbot_id, conversation_id, question_id, message_id,"
        " language, traceparent, status, owner, attempts, lease_until)"
        " select id, %(account)s, %(chatbot)s, conversation, question, message, language,"
        " traceparent, case when free then 'running' else 'queued' end,"
        " case when free then owner end, free::int,"
        " case when free then %(held)s::timestamptz end"
        " from json_to_recordset(%(rows)s::json) as new (id text, conversation text,"
        "  question text, message text, language text, traceparent text, owner text)"
        " cross join lateral (select new.owner is not null and not exists (select 1 from answers a"
        "  where a.conversation_id = new.conversation and (a.finished_at is null) is true) as free"
        "  offset 0) state"
        " returning *",
        {"account": account, "chatbot": chatbot, "rows": as_json(new), "held": HELD},
    )
    return Returned(cursor, "id")


async def inserted(returned: Returned, id: str) -> AnswerRow:
    """Once the transaction is over."""
    return _answer(await returned.row(id))


async def claim(
    tx: Tx,
    owner: str,
    limit: int,
    *,
    attempts: int,
    busy: Sequence[str] = (),
    running: Sequence[str] = (),
) -> list[AnswerRow]:
    """Take answers that nobody works on: queued ones, and those whose owner fell silent.

    In one conversation the earliest alone: questions are answered in order. Across accounts,
    but not of those in ``busy``; and none of those that are ``running`` here, however late our
    lease is renewed. What is ours and has not run here for long was stored though we were told
    otherwise, or left when the database was away for too long; that has so many ``attempts``.
    """
    cursor = await tx.execute(
        "update answers set status = 'running', owner = %(owner)s, attempts = attempts + 1,"
        " lease_until = %(held)s where id in ("
        "  select a.id from answers a where a.finished_at is null"
        "  and (a.lease_until is null or a.lease_until < now() or (a.lease_until = %(held)s"
        "   and not exists (select 1 from writers w where w.owner = a.owner"
        "    and w.lease_until > now()))"
        "   or (a.owner = %(owner)s and a.attempts <= %(attempts)s"
        "    and a.created_at < now() - make_interval(secs => %(late)s)"
        "    and exists (select 1 from chatbots b where b.id = a.chatbot_id"
        "     and b.status = 'active')))"
        "  and a.account_id <> all(%(busy)s) and a.id <> all(%(running)s)"
        "  and not exists (select 1 from answers e where e.conversation_id = a.conversation_id"
        "   and e.finished_at is null and e.seq < a.seq)"
        "  order by a.seq limit %(limit)s for update skip locked) returning *",
        {
            "owner": owner,
            "held": HELD,
            "attempts": attempts,
            "late": LATE,
            "limit": limit,
            "busy": list(busy),
            "running": list(running),
        },
    )
    return [_answer(row) for row in await cursor.fetchall()]


async def renew(tx: Tx, owner: str) -> dict[str, bool]:
    """Renew a writer's lease; what it holds: id → whether it was asked to stop."""
    await tx.execute(
        "insert into writers (owner, lease_until) values (%s, clock_timestamp() + make_interval(secs => %s))"
        " on conflict (owner) do update set lease_until = excluded.lease_until",
        (owner, LEASE),
    )
    cursor = await tx.execute(
        "select id, stop_requested from answers where owner = %s and finished_at is null", (owner,)
    )
    return {row["id"]: row["stop_requested"] for row in await cursor.fetchall()}


async def forget_writers(tx: Tx) -> None:
    """Those that ended a while ago."""
    await tx.execute("delete from writers where lease_until < now() - interval '1 hour'")


async def release(tx: Tx, owner: str, ids: list[str]) -> None:
    """Give up answers of which nothing was shown, so that another may start at once."""
    await tx.execute(
        "update answers set lease_until = null, owner = null, status = 'queued',"
        " attempts = greatest(attempts - 1, 0) where owner = %s"
        " and id = any(%s) and finished_at is null",
        (owner, ids),
    )


async def show(tx: Tx, owner: str, shown: Mapping[str, list[str]]) -> set[str]:
    """Keep what was shown so far of some answers; returns of which.

    One that somebody holds is left out: it is about to end.
    """
    cursor = await tx.execute(
        "with free as (select id from answers where id = any(%(ids)s)"
        "  and (owner = %(owner)s and finished_at is null) is true for update skip locked)"
        " update answers a set frames = shown.frames from free,"
        " json_to_recordset(%(rows)s::json) as shown (id text, frames text[])"
        " where a.id = any(%(ids)s) and a.id = free.id and a.id = shown.id returning a.id",
        {
            "ids": list(shown),
            "owner": owner,
            "rows": as_json([{"id": id, "frames": frames} for id, frames in shown.items()]),
        },
    )
    return {row["id"] for row in await cursor.fetchall()}


async def finish(tx: Tx, account: str, ends: Sequence[Finish]) -> None:
    """Of answers that the caller holds."""
    await tx.execute(
        "update answers a set status = e.status, frames = e.frames,"
        " first_token_ms = e.first_token_ms, input_tokens = e.input_tokens,"
        " output_tokens = e.output_tokens, cost_usd = e.cost_usd, finished_at = now(),"
        " lease_until = null from json_to_recordset(%(rows)s::json) as e (id text, status text,"
        "  frames text[], first_token_ms int, input_tokens int, output_tokens int,"
        "  cost_usd double precision)"
        " where a.id = any(%(ids)s) and (a.account_id = %(account)s) is true and a.id = e.id",
        {"account": account, "ids": [end.id for end in ends], "rows": as_json(ends)},
    )


async def get(tx: Tx, account: str, chatbot: str, id: str) -> AnswerRow | None:
    cursor = await tx.execute(
        "select * from answers where account_id = %s and chatbot_id = %s and id = %s",
        (account, chatbot, id),
    )
    row = await cursor.fetchone()
    return _answer(row) if row else None


async def visitor_of(tx: Tx, account: str, id: str) -> str | None:
    cursor = await tx.execute(
        "select c.visitor_id from answers a join conversations c on c.id = a.conversation_id"
        " where a.account_id = %s and a.id = %s",
        (account, id),
    )
    row = await cursor.fetchone()
    return row["visitor_id"] if row else None


async def ask_to_stop(tx: Tx, account: str, id: str) -> None:
    await tx.execute(
        "update answers set stop_requested = true where account_id = %s and id = %s"
        " and finished_at is null",
        (account, id),
    )


async def ask_all_to_stop(tx: Tx, account: str, conversation: str) -> list[str]:
    """Those of a conversation that have not ended."""
    cursor = await tx.execute(
        "update answers set stop_requested = true where account_id = %s and conversation_id = %s"
        " and finished_at is null returning id",
        (account, conversation),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def tokens_today(tx: Tx, account: str, chatbot: str) -> int:
    """What a chatbot's answers took of a model since midnight UTC."""
    cursor = await tx.execute(
        "select coalesce(sum(input_tokens + output_tokens), 0) as n from answers"
        " where account_id = %s and chatbot_id = %s"
        " and created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'",
        (account, chatbot),
    )
    row = await cursor.fetchone()
    return int(row["n"]) if row else 0


async def tokens_this_month(tx: Tx, account: str) -> int:
    cursor = await tx.execute(
        "select coalesce(sum(input_tokens + output_tokens), 0) as n from answers"
        " where account_id = %s"
        " and created_at >= date_trunc('month', now() at time zone 'utc') at time zone 'utc'",
        (account,),
    )
    row = await cursor.fetchone()
    return int(row["n"]) if row else 0

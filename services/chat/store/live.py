"""Live events, kept for those who come back; and the jobs that people can ask about."""

from collections.abc import Sequence
from typing import Any, LiteralString

import msgspec
from psycopg.types.json import Jsonb

from libs.common.calls import Job, LiveEvent
from libs.common.db import Returned, Tx

EVENTS_AT_ONCE = 1_000  # that are asked about; there may be more
INSERT: LiteralString = (  # from what has the columns `conversation`, `event`, `internal` and `data`
    "insert into live_events (account_id, conversation_id, event, internal, data)"
    " select %(account)s, conversation, event, internal, data from new"
    " returning seq, data->>'id' as id"
)


class DueJob(msgspec.Struct, frozen=True):
    id: str
    account_id: str
    kind: str
    target: str
    attempts: int
    conversations: list[str]


class Added(msgspec.Struct, frozen=True):
    """An event that was stored; its number is there once the results are."""

    event: LiveEvent
    returned: Returned

    async def numbered(self) -> LiveEvent:
        row = await self.returned.row(self.event.data["id"])
        return msgspec.structs.replace(self.event, seq=row["seq"])


async def add(
    tx: Tx, account: str, conversation: str, event: str, data: object, *, internal: bool
) -> Added:
    """Store an event; ``data`` has an ``id``."""
    made = unnumbered(conversation, event, data, internal=internal)
    cursor = await tx.execute(
        "with new as (select %(conversation)s as conversation, %(event)s as event,"
        " %(internal)s::boolean as internal, %(data)s::jsonb as data) " + INSERT,
        {
            "account": account,
            "conversation": conversation,
            "event": event,
            "internal": internal,
            "data": Jsonb(made.data),
        },
    )
    return Added(made, Returned(cursor, "id"))


def unnumbered(conversation: str, event: str, data: object, *, internal: bool) -> LiveEvent:
    return LiveEvent(
        seq=0,
        event=event,  # pyright: ignore[reportArgumentType]
        conversation_id=conversation,
        internal=internal,
        data=msgspec.to_builtins(data),
    )


async def after(
    tx: Tx, account: str, conversation: str | None, seq: int, limit: int, *, internal: bool
) -> list[LiveEvent]:
    cursor = await tx.execute(
        "select * from live_events where account_id = %s and seq > %s"
        " and (%s::text is null or conversation_id = %s) and (%s or not internal)"
        " order by seq limit %s",
        (account, seq, conversation, conversation, internal, limit),
    )
    return [_event(row) for row in await cursor.fetchall()]


async def latest(tx: Tx, account: str) -> int:
    cursor = await tx.execute(
        "select coalesce(max(seq), 0) as n from live_events where account_id = %s", (account,)
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def oldest(tx: Tx, account: str) -> int:
    cursor = await tx.execute(
        "select coalesce(min(seq), 0) as n from live_events where account_id = %s", (account,)
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def forget(tx: Tx, days: int, limit: int) -> int:
    """Remove old ones, some at a time, but the last of each account: it says where we were."""
    cursor = await tx.execute(
        "delete from live_events where seq in (select e.seq from live_events e"
        " where e.created_at < now() - make_interval(days => %s) and exists"
        " (select 1 from live_events n where n.account_id = e.account_id and n.seq > e.seq)"
        " order by e.seq limit %s)",
        (days, limit),
    )
    return cursor.rowcount


def _event(row: dict[str, Any]) -> LiveEvent:
    return LiveEvent(
        seq=row["seq"],
        event=row["event"],
        conversation_id=row["conversation_id"],
        internal=row["internal"],
        data=row["data"],
    )


# -- jobs ------------------------------------------------------------------------------------


async def add_job(
    tx: Tx, account: str, id: str, kind: str, target: str, conversations: Sequence[str] = ()
) -> None:
    await tx.execute(
        "insert into jobs (id, account_id, kind, target, conversations) values (%s, %s, %s, %s, %s)",
        (id, account, kind, target, list(conversations)),
    )


async def set_conversations(tx: Tx, account: str, id: str, conversations: Sequence[str]) -> None:
    """What a job has yet to see forgotten; it goes on at once."""
    await tx.execute(
        "update jobs set conversations = %s, progress = greatest(progress, 0.3), due_at = now(),"
        " updated_at = now() where account_id = %s and id = %s",
        (list(conversations), account, id),
    )


async def remove_job(tx: Tx, account: str, id: str) -> None:
    await tx.execute("delete from jobs where account_id = %s and id = %s", (account, id))


async def events_under_way(
    tx: Tx, account: str, subject: str, keys: Sequence[str]
) -> tuple[int, list[str]]:
    """Events not yet published (how many), and those published but not yet confirmed (some)."""
    cursor = await tx.execute(
        "select id, published_at from outbox where account_id = %s and public"
        " and (key = any(%s) or subject like %s) order by seq limit %s",
        (account, list(keys), subject, EVENTS_AT_ONCE),
    )
    rows = await cursor.fetchall()
    published = [row["id"] for row in rows if row["published_at"] is not None]
    return len(rows) - len(published), published


async def events_arrived(tx: Tx, account: str, ids: Sequence[str]) -> None:
    await tx.execute("delete from outbox where account_id = %s and id = any(%s)", (account, ids))


async def job(tx: Tx, account: str, id: str) -> Job | None:
    cursor = await tx.execute("select * from jobs where account_id = %s and id = %s", (account, id))
    row = await cursor.fetchone()
    if row is None:
        return None
    return Job(
        id=row["id"],
        kind=row["kind"],
        status=row["status"],
        progress=row["progress"],
        error=row["error"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def claim_job(tx: Tx) -> DueJob | None:
    """A job that is due; it is due again in a while, should its worker die."""
    cursor = await tx.execute(
        "update jobs set attempts = attempts + 1, due_at = now() + interval '30 seconds',"
        " updated_at = now() where id = (select id from jobs where status = 'running'"
        " and due_at <= now() order by due_at limit 1 for update skip locked) returning *",
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    return DueJob(
        row["id"],
        row["account_id"],
        row["kind"],
        row["target"],
        row["attempts"],
        row["conversations"],
    )


async def job_progress(tx: Tx, account: str, id: str, progress: float, *, again_in: float) -> None:
    await tx.execute(
        "update jobs set progress = greatest(progress, %s), updated_at = now(),"
        " due_at = now() + make_interval(secs => %s) where account_id = %s and id = %s",
        (progress, again_in, account, id),
    )


async def end_job(tx: Tx, account: str, id: str, error: str | None = None) -> None:
    await tx.execute(
        "update jobs set status = %s, progress = case when %s then 1 else progress end,"
        " error = %s, updated_at = now() where account_id = %s and id = %s",
        ("failed" if error else "done", error is None, error, account, id),
    )

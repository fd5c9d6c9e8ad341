"""Events that came in: who takes them, how far the stream was read, what they lead to."""

from collections.abc import Sequence
from datetime import timedelta

from libs.common import events
from libs.common.db import Tx
from libs.common.ids import new_id

INTAKE = "intake"


async def hold(tx: Tx, name: str, owner: str, seconds: float) -> bool:
    """Take or extend a lease. False while another owner has it."""
    cursor = await tx.execute(
        "insert into leases as l (name, owner, until) values (%(name)s, %(owner)s, now() + %(for)s)"
        " on conflict (name) do update set owner = excluded.owner, until = excluded.until"
        " where l.owner = excluded.owner or l.until < now() returning name",
        {"name": name, "owner": owner, "for": timedelta(seconds=seconds)},
    )
    return await cursor.fetchone() is not None


async def let_go(tx: Tx, owner: str) -> None:
    await tx.execute("delete from leases where owner = %s", (owner,))


async def position(tx: Tx, stream: str, created: str) -> int:
    """The last number read of this very stream; 0 when it was made anew."""
    cursor = await tx.execute(
        "select position from positions where stream = %s and created = %s", (stream, created)
    )
    row = await cursor.fetchone()
    return row["position"] if row else 0


async def advance(tx: Tx, stream: str, created: str, position: int) -> None:
    await tx.execute(
        "insert into positions (stream, created, position) values (%s, %s, %s)"
        " on conflict (stream) do update set created = excluded.created,"
        " position = excluded.position",
        (stream, created, position),
    )


async def add(tx: Tx, found: Sequence[events.Event], *, sample: bool = False) -> set[str]:
    """Store events; returns the ids of those that were not here before."""
    cursor = await tx.execute(
        "insert into events (id, account_id, chatbot_id, name, key, body, sample, occurred_at,"
        " traceparent)"
        " select u.id, u.account, u.chatbot, u.name, u.key, u.body, %s, t.o, u.trace from unnest(%s::text[], %s::text[], %s::text[], %s::text[],"
        " %s::text[], %s::bytea[], %s::text[])"
        " with ordinality as u (id, account, chatbot, name, key, body, trace, n)"
        " join unnest(%s::timestamptz[]) with ordinality as t (o, n) using (n)"
        " on conflict (id) do nothing returning id",
        (
            sample,
            [e.id for e in found],
            [e.account_id for e in found],
            [e.chatbot_id for e in found],
            [e.name for e in found],
            [e.key for e in found],
            [events.payload(e) for e in found],
            [e.traceparent for e in found],
            [e.occurred_at for e in found],
        ),
    )
    return {row["id"] for row in await cursor.fetchall()}


async def fan_out(tx: Tx, found: Sequence[events.Event]) -> set[str]:
    """Make the deliveries of new events, in their order. Returns the endpoints that get some.

    What has to wait for an earlier delivery of its conversation is due when that one is.
    """
    cursor = await tx.execute(
        "select u.n, e.id, e.ordering from unnest(%s::text[], %s::text[], %s::text[])"
        " with ordinality as u (account, chatbot, name, n)"
        " join endpoints e on e.account_id = u.account and e.enabled and e.deleted_at is null"
        " and u.name = any(e.events) and (e.chatbot_id is null or e.chatbot_id = u.chatbot)"
        " order by u.n, e.id",
        (
            [e.account_id for e in found],
            [e.chatbot_id for e in found],
            [e.name for e in found],
        ),
    )
    matches = await cursor.fetchall()
    if not matches:
        return set()
    chosen = [(found[m["n"] - 1], m["id"], m["ordering"]) for m in matches]
    await tx.execute(
        "insert into deliveries (id, account_id, endpoint_id, event_id, event, key, due_at)"
        " select u.id, u.account, u.endpoint, u.event_id, u.event, u.key,"
        " greatest(now(), case when u.key <> '' then (select max(p.due_at) from deliveries p"
        "   where p.endpoint_id = u.endpoint and p.key = u.key and p.key <> ''"
        "   and p.finished_at is null and p.status = 'pending') end)"
        " from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])"
        " with ordinality as u (id, account, endpoint, event_id, event, key, n) order by u.n"
        " on conflict (endpoint_id, event_id) do nothing",
        (
            [new_id("dlv") for _ in chosen],
            [event.account_id for event, _, _ in chosen],
            [endpoint for _, endpoint, _ in chosen],
            [event.id for event, _, _ in chosen],
            [event.name for event, _, _ in chosen],
            [event.key if ordering == "conversation" else "" for event, _, ordering in chosen],
        ),
    )
    return {endpoint for _, endpoint, _ in chosen}


async def seen(tx: Tx, ids: Sequence[str]) -> list[str]:
    cursor = await tx.execute("select id from events where id = any(%s)", (list(ids),))
    return [row["id"] for row in await cursor.fetchall()]

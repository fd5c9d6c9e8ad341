"""Deliveries as their owner sees them."""

from datetime import datetime
from typing import Any

import msgspec

from libs.common import pages
from libs.common.calls import (
    Attempt,
    DayOfDeliveries,
    Delivery,
    ListDeliveries,
    Page,
)
from libs.common.db import Tx
from libs.common.ids import new_id

ERASED = 2_000  # rows in one go
REPLAYED = 10_000  # deliveries in one call
PAGE_BYTES = 400_000  # of responses in a page; a message on the bus holds 1 MiB


def _delivery(row: dict[str, Any]) -> Delivery:
    waits = row["status"] == "pending"
    return Delivery(
        id=row["id"],
        webhook_id=row["endpoint_id"],
        event=row["event"],
        event_id=row["event_id"],
        status=row["status"],
        attempts=msgspec.convert(row["attempts"], list[Attempt]),
        next_attempt_at=row["due_at"] if waits else None,
        created_at=row["created_at"],
    )


async def get(tx: Tx, account: str, id: str) -> Delivery | None:
    cursor = await tx.execute(
        "select d.* from deliveries d join endpoints e on e.id = d.endpoint_id"
        " where d.account_id = %s and d.id = %s and e.deleted_at is null",
        (account, id),
    )
    row = await cursor.fetchone()
    return _delivery(row) if row else None


async def page(tx: Tx, account: str, wanted: ListDeliveries) -> Page[Delivery]:
    rows, pagination = await pages.page(
        tx,
        "select * from deliveries where account_id = %(account)s and endpoint_id = %(endpoint)s"
        " and (%(status)s::text is null or status = %(status)s)"
        " and (%(event)s::text is null or event = %(event)s)"
        " and (%(from)s::timestamptz is null or created_at >= %(from)s)"
        " and (%(to)s::timestamptz is null or created_at < %(to)s)"
        " and (%(before)s::text is null or id < %(before)s)"
        " order by id desc limit %(rows)s",
        {
            "account": account,
            "endpoint": wanted.id,
            "status": wanted.status,
            "event": wanted.event,
            "from": wanted.from_,
            "to": wanted.to,
            "before": pages.decode(wanted.cursor),
        },
        wanted.limit,
    )
    return Page(data=_within([_delivery(row) for row in rows]), pagination=pagination)


def _within(found: list[Delivery]) -> list[Delivery]:
    """A page that fits into one message: where responses are many and long, later ones go."""
    left = PAGE_BYTES
    kept: list[Delivery] = []
    for delivery in found:
        left -= len(msgspec.json.encode(delivery))
        if left < 0:
            bare = [
                msgspec.structs.replace(attempt, response_headers={}, response_body="")
                for attempt in delivery.attempts
            ]
            delivery = msgspec.structs.replace(delivery, attempts=bare)
        kept.append(delivery)
    return kept


async def add(tx: Tx, account: str, endpoint: str, event: str, event_id: str) -> str:
    """One delivery, due now, in no order with others."""
    id = new_id("dlv")
    await tx.execute(
        "insert into deliveries (id, account_id, endpoint_id, event_id, event, key)"
        " values (%s, %s, %s, %s, %s, '')",
        (id, account, endpoint, event_id, event),
    )
    return id


async def again(tx: Tx, account: str, id: str) -> None:
    """Due now, from the start of the schedule. One that had ended waits for no other.

    What waits behind it in its conversation no longer waits for its old time.
    """
    await tx.execute(
        "update deliveries set status = 'pending', tries = 0, due_at = now(), owner = null,"
        " key = case when finished_at is null then key else '' end, finished_at = null"
        " where account_id = %s and id = %s and status <> 'delivering'",
        (account, id),
    )
    await tx.execute(
        "update deliveries f set due_at = now() from deliveries d"
        " where d.account_id = %s and d.id = %s and d.key <> '' and f.endpoint_id = d.endpoint_id"
        " and f.key = d.key and f.key <> '' and f.seq > d.seq and f.finished_at is null"
        " and f.status = 'pending'",
        (account, id),
    )


async def replay(
    tx: Tx, account: str, endpoint: str, start: datetime, end: datetime, *, everything: bool
) -> int:
    """Queue again what happened in a stretch of time, in order; returns how many.

    Also what was never queued because the endpoint was disabled, where everything is wanted.
    """
    cursor = await tx.execute(
        "update deliveries d set status = 'pending', tries = 0, due_at = now(), owner = null,"
        " finished_at = null from (select d.id from deliveries d"
        " join events v on v.id = d.event_id"
        " where d.account_id = %(account)s and d.endpoint_id = %(endpoint)s and not v.sample"
        " and v.occurred_at >= %(start)s and v.occurred_at < %(end)s"
        " and d.finished_at is not null and (%(all)s or d.status in ('failed', 'cancelled'))"
        " order by d.seq limit %(limit)s for update of d) w where d.id = w.id",
        {
            "account": account,
            "endpoint": endpoint,
            "start": start,
            "end": end,
            "all": everything,
            "limit": REPLAYED,
        },
    )
    count = cursor.rowcount
    if everything and count < REPLAYED:
        count += await _add_missed(tx, account, endpoint, start, end)
    return count


async def _add_missed(tx: Tx, account: str, endpoint: str, start: datetime, end: datetime) -> int:
    cursor = await tx.execute(
        "select v.id, v.name, case when e.ordering = 'none' then '' else v.key end as key"
        " from endpoints e join events v on v.account_id = e.account_id and v.name = any(e.events)"
        " and (e.chatbot_id is null or e.chatbot_id = v.chatbot_id)"
        " where e.account_id = %s and e.id = %s and not v.sample"
        " and v.body <> ''"  # what was erased is not sent
        " and v.occurred_at >= greatest(%s, e.created_at) and v.occurred_at < %s"
        " and not exists (select from deliveries d"
        "   where d.endpoint_id = e.id and d.event_id = v.id)"
        " order by v.received_at, v.id limit %s",
        (account, endpoint, start, end, REPLAYED),
    )
    missed = await cursor.fetchall()
    await tx.execute(
        "insert into deliveries (id, account_id, endpoint_id, event_id, event, key)"
        " select u.id, %s, %s, u.event_id, u.event, u.key"
        " from unnest(%s::text[], %s::text[], %s::text[], %s::text[])"
        " with ordinality as u (id, event_id, event, key, n) order by u.n"
        " on conflict (endpoint_id, event_id) do nothing",
        (
            account,
            endpoint,
            [new_id("dlv") for _ in missed],
            [row["id"] for row in missed],
            [row["name"] for row in missed],
            [row["key"] for row in missed],
        ),
    )
    return len(missed)


async def hours(tx: Tx, account: str, endpoint: str) -> list[DayOfDeliveries]:
    """The last 24 hours, oldest first."""
    cursor = await tx.execute(
        "select date_trunc('hour', created_at) as hour,"
        " count(*) filter (where status = 'succeeded') as succeeded,"
        " count(*) filter (where status = 'failed') as failed,"
        " avg(ms) filter (where finished_at is not null)::float8 as average_ms"
        " from deliveries where account_id = %s and endpoint_id = %s"
        " and created_at > now() - interval '24 hours' group by 1 order by 1",
        (account, endpoint),
    )
    return [DayOfDeliveries(**row) for row in await cursor.fetchall()]


async def erase(
    tx: Tx, account: str, chatbot: str | None, conversations: list[str] | None = None
) -> int:
    """Remove some of a chatbot's, some conversations' or the account's rows; returns how many.

    Of events their ids stay for as long as logs are kept: what is published again is known.
    """
    wanted = {"account": account, "chatbot": chatbot, "talks": conversations, "limit": ERASED}
    cursor = await tx.execute(
        "delete from deliveries where id in (select d.id from deliveries d"
        " left join events v on v.id = d.event_id where d.account_id = %(account)s"
        " and (%(chatbot)s::text is null or v.chatbot_id = %(chatbot)s)"
        " and (%(talks)s::text[] is null or v.key = any(%(talks)s)) limit %(limit)s)",
        wanted,
    )
    if cursor.rowcount:
        return cursor.rowcount
    cursor = await tx.execute(
        "update events set body = '', key = '', chatbot_id = '' where id in"
        " (select id from events where account_id = %(account)s and body <> ''"
        " and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        " and (%(talks)s::text[] is null or key = any(%(talks)s)) limit %(limit)s)",
        wanted,
    )
    if chatbot is None and conversations is None:
        await tx.execute("delete from notices where account_id = %(account)s", wanted)
    return cursor.rowcount

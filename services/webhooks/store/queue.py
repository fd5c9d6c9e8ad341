"""What is due: claimed by one process at a time, and what became of it.

A delivery is claimed when it is due, its endpoint is enabled and nothing earlier of its
conversation is unfinished. The rest of the conversation is claimed along with it, so that one
process sends it in order without asking again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from libs.common.db import Tx
from services.webhooks.store import notices

LEASE = 60.0  # seconds; longer than the wait in a process and an attempt together
CHAIN = 15  # later deliveries of one conversation that are claimed with the first
ENDPOINTS = 200  # looked at in one claim
BURST = 0.1  # seconds' worth of a rate limit that may go out at once


class Busy(msgspec.Struct, frozen=True):
    """An endpoint that has something unfinished."""

    id: str
    account_id: str
    url: str
    headers: dict[str, str]
    secrets: tuple[bytes, ...]  # sealed: the current one, then those that still sign beside it
    rate_limit: int | None


class Claimed(msgspec.Struct, frozen=True):
    seq: int
    id: str
    endpoint_id: str
    event_id: str
    event: str
    key: str
    tries: int
    body: bytes  # empty when the event is gone
    occurred_at: datetime | None
    traceparent: str = ""  # of the event


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended. ``wait`` is the seconds to the next one, where there is one."""

    delivery: str
    endpoint: str
    seq: int
    key: str
    status: str  # succeeded | failed | pending | cancelled
    attempt: str  # JSON, for the log
    ms: int
    wait: float | None = None
    gone: bool = False  # 410: the endpoint wants no more


# Endpoints with something unfinished are found by jumping along the index, one probe each,
# however much each has; then the named ones, and for all whether something is due.
_BUSY = """
with recursive found as (
  (select endpoint_id from deliveries where finished_at is null and endpoint_id > %(after)s
   order by endpoint_id limit 1)
  union all
  select (select d.endpoint_id from deliveries d
          where d.finished_at is null and d.endpoint_id > f.endpoint_id
          order by d.endpoint_id limit 1)
  from found f where f.endpoint_id is not null
),
looked as (select endpoint_id from found where endpoint_id is not null limit %(limit)s)
select l.endpoint_id, l.named, e.id, e.account_id, e.url, e.headers, e.rate_limit,
  array[e.secret] || array(
    select p.secret from unnest(e.previous_secrets, e.previous_until)
    with ordinality as p (secret, until, n) where p.until > now() order by p.n) as secrets
from (
  select endpoint_id, false as named from looked
  union all select n, true from unnest(%(named)s::text[]) as n
) l
left join endpoints e on e.id = l.endpoint_id and e.enabled and e.deleted_at is null
  and exists (select from deliveries d where d.endpoint_id = e.id and d.finished_at is null
              and d.due_at <= now())
"""


async def busy(tx: Tx, after: str, named: Sequence[str] = ()) -> tuple[dict[str, Busy], str]:
    """Endpoints with something due: of those after ``after`` by id, and of the named ones.

    Also where to look on, "" at the end.
    """
    cursor = await tx.execute(_BUSY, {"after": after, "limit": ENDPOINTS, "named": list(named)})
    rows = await cursor.fetchall()
    looked = [row["endpoint_id"] for row in rows if not row["named"]]
    found = {
        row["id"]: Busy(
            id=row["id"],
            account_id=row["account_id"],
            url=row["url"],
            headers=row["headers"],
            secrets=tuple(bytes(secret) for secret in row["secrets"]),
            rate_limit=row["rate_limit"],
        )
        for row in rows
        if row["id"] is not None
    }
    return found, max(looked) if len(looked) == ENDPOINTS else ""


async def tokens(tx: Tx, endpoints: Sequence[str]) -> dict[str, int]:
    """How many each rate-limited endpoint may get now. Those that another process holds: none."""
    cursor = await tx.execute(
        "select id, floor(least(greatest(1, rate_limit * %s),"
        " tokens + extract(epoch from now() - tokens_at) * rate_limit))::int as n"
        " from endpoints where id = any(%s) and rate_limit is not null for update skip locked",
        (BURST, list(endpoints)),
    )
    return {row["id"]: row["n"] for row in await cursor.fetchall()}


async def spend(tx: Tx, used: Mapping[str, int]) -> None:
    await tx.execute(
        "update endpoints e set tokens_at = now(), tokens = least(greatest(1, rate_limit * %s),"
        " tokens + extract(epoch from now() - tokens_at) * rate_limit) - u.n"
        " from unnest(%s::text[], %s::int[]) as u (id, n) where e.id = u.id",
        (BURST, list(used), list(used.values())),
    )


_HEAD = """d.endpoint_id = w.id and d.finished_at is null and d.due_at <= now()
  and (d.key = '' or not exists (
    select from deliveries p where p.endpoint_id = d.endpoint_id and p.key = d.key
    and p.key <> '' and p.seq < d.seq and p.finished_at is null))"""
_TAKE = """
update deliveries d set status = 'delivering', owner = %(owner)s, due_at = now() + %(lease)s
from taken t left join events e on e.id = t.event_id
where d.id = t.id
returning d.seq, d.id, d.endpoint_id, d.event_id, d.event, d.key, d.tries, e.body, e.occurred_at,
  coalesce(e.traceparent, '') as traceparent
"""

# Half of what there is room for goes to what has waited longest, half to what came last: a
# backlog drains, and what is new does not wait for it.
_HEADS = f"""
with wanted as (
  select * from unnest(%(ids)s::text[], %(oldest)s::int[], %(newest)s::int[]) as w (id, oldest, newest)
),
chosen as materialized (
  select c.id from wanted w cross join lateral (
    (select d.id from deliveries d where {_HEAD} order by d.due_at, d.seq limit w.oldest)
    union
    (select d.id from deliveries d where {_HEAD} order by d.due_at desc, d.seq desc limit w.newest)
  ) c
),
taken as materialized (
  select d.id, d.event_id from deliveries d join chosen using (id)
  where d.finished_at is null and d.due_at <= now()
  for update of d skip locked
)
{_TAKE}"""  # noqa: S608

_FOLLOWERS = f"""
with taken as materialized (
  select f.id, f.event_id from unnest(%(ids)s::text[], %(keys)s::text[], %(seqs)s::bigint[])
    as h (endpoint, key, seq)
  cross join lateral (
    select d.id, d.event_id from deliveries d where d.endpoint_id = h.endpoint and d.key = h.key
    and d.key <> '' and d.seq > h.seq and d.finished_at is null order by d.seq limit %(chain)s
  ) f
)
{_TAKE}"""  # noqa: S608


async def heads(
    tx: Tx, owner: str, rooms: Sequence[tuple[str, int, int]], lease: float = LEASE
) -> list[Claimed]:
    """Claim what may go out. ``rooms``: endpoint, how many of the oldest, of the newest."""
    return await _take(
        tx,
        _HEADS,
        {
            "ids": [room[0] for room in rooms],
            "oldest": [room[1] for room in rooms],
            "newest": [room[2] for room in rooms],
            "owner": owner,
            "lease": timedelta(seconds=lease),
        },
    )


async def followers(
    tx: Tx, owner: str, of: Sequence[Claimed], chain: int = CHAIN, lease: float = LEASE
) -> list[Claimed]:
    """Claim what comes next in the conversations of claimed heads, up to ``chain`` in each."""
    ordered = [head for head in of if head.key]
    if not ordered:
        return []
    return await _take(
        tx,
        _FOLLOWERS,
        {
            "ids": [head.endpoint_id for head in ordered],
            "keys": [head.key for head in ordered],
            "seqs": [head.seq for head in ordered],
            "chain": chain,
            "owner": owner,
            "lease": timedelta(seconds=lease),
        },
    )


async def _take(tx: Tx, query: Any, parameters: dict[str, Any]) -> list[Claimed]:
    cursor = await tx.execute(query, parameters)
    rows = sorted(await cursor.fetchall(), key=lambda row: row["seq"])
    return [Claimed(**{**row, "body": bytes(row["body"] or b"")}) for row in rows]


async def settle(tx: Tx, owner: str, outcomes: Sequence[Outcome]) -> None:
    """Write down how attempts ended. A success counts whoever holds the delivery by now."""
    await tx.execute(
        "update deliveries d set status = r.status, ms = r.ms, owner = null, tries = d.tries + 1,"
        " attempts = jsonb_path_query_array(d.attempts || jsonb_build_array(r.attempt::jsonb),"
        " '$[last - 49 to last]'),"
        " due_at = case when r.wait is null then d.due_at"
        " else now() + r.wait * interval '1 second' end,"
        " finished_at = case when r.status = 'pending' then null else now() end"
        " from unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::float8[])"
        " as r (id, status, attempt, ms, wait)"
        " where d.id = r.id and d.finished_at is null"
        " and (d.owner = %s or r.status = 'succeeded')",
        (
            [o.delivery for o in outcomes],
            [o.status for o in outcomes],
            [o.attempt for o in outcomes],
            [o.ms for o in outcomes],
            [o.wait for o in outcomes],
            owner,
        ),
    )
    await _mark(tx, outcomes)
    await _put_off(tx, [o for o in outcomes if o.status == "pending" and o.key])


async def _mark(tx: Tx, outcomes: Sequence[Outcome]) -> None:
    good = {o.endpoint for o in outcomes if o.status == "succeeded"}
    bad = {o.endpoint for o in outcomes if o.status in {"failed", "pending"}}
    endpoints = sorted(good | bad)
    await tx.execute(
        "update endpoints e set"
        " last_success_at = case when u.good then now() else last_success_at end,"
        " last_failure_at = case when u.bad then now() else last_failure_at end,"
        " failing_since = case when u.good then null else coalesce(failing_since, now()) end"
        " from (select l.id, u.good, u.bad"
        " from unnest(%s::text[], %s::bool[], %s::bool[]) as u (id, good, bad)"
        " join endpoints l on l.id = u.id order by l.id for update of l) u where e.id = u.id",
        (endpoints, [e in good for e in endpoints], [e in bad for e in endpoints]),
    )


async def _put_off(tx: Tx, waiting: Sequence[Outcome]) -> None:
    """A conversation waits as a whole: what comes later is due when its head is."""
    if not waiting:
        return
    await tx.execute(
        "update deliveries d set status = 'pending', owner = null, due_at = h.due_at"
        " from (select endpoint_id, key, seq, due_at from deliveries where id = any(%s)"
        " and finished_at is null) h"
        " where d.endpoint_id = h.endpoint_id and d.key = h.key and d.key <> ''"
        " and d.seq > h.seq and d.finished_at is null",
        ([o.delivery for o in waiting],),
    )


async def release(tx: Tx, owner: str, ids: Sequence[str]) -> None:
    """Give back what was claimed but not tried."""
    await tx.execute(
        "update deliveries set status = 'pending', owner = null, due_at = now()"
        " where id = any(%s) and owner = %s and finished_at is null",
        (list(ids), owner),
    )


async def recover(tx: Tx) -> int:
    """Free what processes held that are gone."""
    cursor = await tx.execute(
        "update deliveries set status = 'pending', owner = null, due_at = now()"
        " where id in (select d.id from deliveries d where d.finished_at is null"
        " and d.owner is not null and not exists"
        " (select from leases l where l.owner = d.owner and l.until > now())"
        " limit 1000 for update skip locked)"
    )
    return cursor.rowcount


async def disable_gone(tx: Tx, endpoints: set[str]) -> None:
    """Endpoints that answered 410 want no more."""
    for id in sorted(endpoints):
        cursor = await tx.execute(
            "update endpoints set enabled = false, disabled_reason = 'gone'"
            " where id = %s and enabled and deleted_at is null returning account_id, url",
            (id,),
        )
        if (row := await cursor.fetchone()) is not None:
            message = f"The endpoint {row['url']} answered 410 Gone and was disabled."
            await notices.add(tx, row["account_id"], "webhook_disabled", message, id)

"""What is done behind the scenes, a small batch at a time."""

from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from libs.common.db import Tx
from services.webhooks.store import notices

BATCH = 1_000  # rows in one transaction


async def disable_failing(tx: Tx, after: timedelta) -> int:
    """Switch off endpoints that have had no success for so long, and tell their owners."""
    cursor = await tx.execute(
        "update endpoints set enabled = false, disabled_reason = 'failing'"
        " where enabled and deleted_at is null and failing_since < now() - %s"
        " returning id, account_id, url",
        (after,),
    )
    rows = await cursor.fetchall()
    hours = after.total_seconds() / 3_600
    for row in rows:
        message = (
            f"The endpoint {row['url']} has not taken a delivery for {hours:g} hours and was"
            " disabled. Enable it when it works again; what it missed can be replayed."
        )
        await notices.add(tx, row["account_id"], "webhook_disabled", message, row["id"])
    return len(rows)


async def cancel(tx: Tx) -> int:
    """End what waits for endpoints that are disabled."""
    cursor = await tx.execute(
        "update deliveries set status = 'cancelled', finished_at = now(), owner = null"
        " where id in (select d.id from endpoints e join deliveries d on d.endpoint_id = e.id"
        " where not e.enabled and d.finished_at is null and d.status = 'pending'"
        " limit %s for update of d skip locked)",
        (BATCH,),
    )
    return cursor.rowcount


async def remove_deleted(tx: Tx) -> int:
    """Remove deliveries of deleted endpoints, and then these."""
    cursor = await tx.execute(
        "delete from deliveries where id in (select d.id from endpoints e"
        " join deliveries d on d.endpoint_id = e.id where e.deleted_at is not null limit %s)",
        (BATCH,),
    )
    if cursor.rowcount:
        return cursor.rowcount
    await tx.execute(
        "delete from endpoints e where deleted_at is not null"
        " and not exists (select from deliveries d where d.endpoint_id = e.id)"
    )
    return 0


async def prune(tx: Tx, keep: timedelta, longest: timedelta) -> int:
    """Remove what is older than ``keep``; events stay ``longest`` more, for what is still tried.

    Ids start with their time in milliseconds, so the key's index finds the oldest.
    """
    cursor = await tx.execute(
        "delete from deliveries where id in (select id from deliveries where id < 'dlv_' ||"
        " lpad(to_hex((extract(epoch from now() - %s) * 1000)::bigint), 12, '0')"
        " and finished_at is not null order by id limit %s)",
        (keep, BATCH),
    )
    gone = cursor.rowcount
    cursor = await tx.execute(
        "delete from events where id in (select id from events"
        " where received_at < now() - %s order by received_at limit %s)",
        (keep + longest, BATCH),
    )
    gone += cursor.rowcount
    await tx.execute("delete from notices where created_at < now() - %s", (keep,))
    await tx.execute("delete from leases where until < now() - interval '1 hour'")
    return gone


async def sealed(tx: Tx, after: str) -> list[dict[str, Any]]:
    """Secrets as they are stored, a page by endpoint id, held until the transaction ends."""
    cursor = await tx.execute(
        "select id, secret, previous_secrets, headers from endpoints where id > %s and deleted_at is null"
        " order by id limit 100 for update",
        (after,),
    )
    return await cursor.fetchall()


async def reseal(
    tx: Tx, id: str, secret: bytes, previous: list[bytes], headers: dict[str, str]
) -> None:
    await tx.execute(
        "update endpoints set secret = %s, previous_secrets = %s::bytea[], headers = %s"
        " where id = %s",
        (secret, previous, Jsonb(headers), id),
    )


async def forget_previous(tx: Tx) -> None:
    """A secret that was replaced goes when its time is over."""
    await tx.execute(
        "update endpoints e set"
        " previous_secrets = array(select p.s from unnest(e.previous_secrets, e.previous_until)"
        "   with ordinality as p (s, t, n) where p.t > now() order by p.n),"
        " previous_until = array(select t from unnest(e.previous_until)"
        "   with ordinality as p (t, n) where p.t > now() order by p.n)"
        " where now() > any (e.previous_until)"
    )


async def due(tx: Tx) -> tuple[int, float]:
    """How many deliveries are due and not held, up to 100,000, and how long the oldest waits."""
    cursor = await tx.execute(
        "select count(*) as n, coalesce(extract(epoch from now() - min(due_at)), 0)::float as age"
        " from (select due_at from deliveries where finished_at is null"
        " and status = 'pending' and due_at <= now() limit 100000) d"
    )
    row = await cursor.fetchone()
    return (row["n"], row["age"]) if row else (0, 0.0)

"""Endpoints of an account."""

from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb

from libs.common import pages
from libs.common.calls import CreateWebhook, EndpointStats, ListWebhooks, Page, WebhookEndpoint
from libs.common.db import Tx

_STATS = """
  select count(*) filter (where status = 'succeeded') as succeeded,
    count(*) filter (where status = 'failed') as failed,
    count(*) filter (where finished_at is null) as pending,
    avg(ms) filter (where finished_at is not null)::float8 as average_ms
  from deliveries d
  where d.endpoint_id = e.id and (d.created_at > now() - interval '24 hours')
    and d.id > 'dlv_' || lpad(to_hex((extract(epoch from now() - interval '25 hours') * 1000)::bigint),
                              12, '0')
"""
_SELECT = f"select e.*, s.* from endpoints e cross join lateral ({_STATS}) s"  # noqa: S608

_HIDE = """deleted_at = now(), enabled = false, secret = '', headers = '{}',
  previous_secrets = '{}', previous_until = '{}'"""
_PREVIOUS = 5  # replaced secrets that may sign beside the current one


def _endpoint(row: dict[str, Any]) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=row["id"],
        url=row["url"],
        events=row["events"],
        chatbot_id=row["chatbot_id"],
        description=row["description"],
        enabled=row["enabled"],
        disabled_reason=row["disabled_reason"],
        headers=row["headers"],
        rate_limit=row["rate_limit"],
        ordering=row["ordering"],
        created_at=row["created_at"],
        stats=stats(row),
    )


def stats(row: dict[str, Any]) -> EndpointStats:
    return EndpointStats(
        succeeded=row["succeeded"],
        failed=row["failed"],
        pending=row["pending"],
        average_ms=row["average_ms"],
        last_success_at=row["last_success_at"],
        last_failure_at=row["last_failure_at"],
    )


async def count(tx: Tx, account: str) -> int:
    """How many there are; nobody else adds one until the transaction ends."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtext('endpoints'), hashtext(%s))", (account,)
    )
    cursor = await tx.execute(
        "select count(*) as n from endpoints where account_id = %s and deleted_at is null",
        (account,),
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def insert(
    tx: Tx, account: str, id: str, wanted: CreateWebhook, events: list[str], secret: bytes
) -> None:
    await tx.execute(
        "insert into endpoints (id, account_id, url, events, chatbot_id, description, enabled,"
        " headers, rate_limit, ordering, secret) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            id,
            account,
            wanted.url,
            events,
            wanted.chatbot_id,
            wanted.description,
            wanted.enabled,
            Jsonb(wanted.headers),
            wanted.rate_limit,
            wanted.ordering,
            secret,
        ),
    )


async def brief(tx: Tx, account: str, id: str) -> dict[str, Any] | None:
    """Whether it is enabled, and its chatbot; no statistics."""
    cursor = await tx.execute(
        "select enabled, chatbot_id from endpoints"
        " where account_id = %s and id = %s and deleted_at is null",
        (account, id),
    )
    return await cursor.fetchone()


async def get(tx: Tx, account: str, id: str) -> WebhookEndpoint | None:
    cursor = await tx.execute(
        _SELECT + " where e.account_id = %s and e.id = %s and e.deleted_at is null", (account, id)
    )
    row = await cursor.fetchone()
    return _endpoint(row) if row else None


async def page(tx: Tx, account: str, wanted: ListWebhooks) -> Page[WebhookEndpoint]:
    rows, pagination = await pages.page(
        tx,
        _SELECT + " where e.account_id = %(account)s and e.deleted_at is null"
        " and (%(chatbot)s::text is null or e.chatbot_id = %(chatbot)s)"
        " and (%(before)s::text is null or e.id < %(before)s)"
        " order by e.id desc limit %(rows)s",
        {
            "account": account,
            "chatbot": wanted.chatbot_id,
            "before": pages.decode(wanted.cursor),
        },
        wanted.limit,
    )
    return Page(data=[_endpoint(row) for row in rows], pagination=pagination)


async def update(tx: Tx, account: str, changed: WebhookEndpoint) -> None:
    """Write what may be changed. Switched on again, it starts with a clean slate."""
    await tx.execute(
        "update endpoints set url = %s, events = %s, chatbot_id = %s, description = %s,"
        " headers = %s, rate_limit = %s, ordering = %s,"
        " failing_since = case when %s and not enabled then null else failing_since end,"
        " disabled_reason = case when %s then null else disabled_reason end, enabled = %s"
        " where account_id = %s and id = %s",
        (
            changed.url,
            list(changed.events),
            changed.chatbot_id,
            changed.description,
            Jsonb(changed.headers),
            changed.rate_limit,
            changed.ordering,
            changed.enabled,
            changed.enabled,
            changed.enabled,
            account,
            changed.id,
        ),
    )
    if changed.ordering == "none":
        await tx.execute(
            "update deliveries set key = '' where account_id = %s and endpoint_id = %s"
            " and finished_at is null and key <> ''",
            (account, changed.id),
        )


async def delete(tx: Tx, account: str, id: str) -> bool:
    """Hide it, and forget its secret; what belongs to it is removed bit by bit."""
    cursor = await tx.execute(
        f"update endpoints set {_HIDE} where account_id = %s and id = %s and deleted_at is null"  # noqa: S608
        " returning id",
        (account, id),
    )
    return await cursor.fetchone() is not None


async def delete_all(tx: Tx, account: str, chatbot: str | None) -> int:
    """Those of a chatbot, or of the whole account."""
    cursor = await tx.execute(
        f"update endpoints set {_HIDE} where account_id = %(account)s and deleted_at is null"  # noqa: S608
        " and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)",
        {"account": account, "chatbot": chatbot},
    )
    return cursor.rowcount


async def remove_deleted(tx: Tx, account: str, chatbot: str | None) -> None:
    """For good, at once: otherwise they are hidden and removed bit by bit."""
    await tx.execute(
        "delete from endpoints where account_id = %(account)s and deleted_at is not null"
        " and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)",
        {"account": account, "chatbot": chatbot},
    )


async def secret(tx: Tx, account: str, id: str) -> dict[str, Any] | None:
    """The sealed secret, and until when the one before it signs too. Locks the row."""
    cursor = await tx.execute(
        "select secret, case when previous_until[1] > now() then previous_until[1] end"
        " as previous_until from endpoints where account_id = %s and id = %s and deleted_at is null for update",
        (account, id),
    )
    return await cursor.fetchone()


async def rotate(tx: Tx, account: str, id: str, new: bytes, grace: timedelta) -> None:
    """The secret so far signs beside the new one for ``grace``; none at all ends earlier ones too."""
    await tx.execute(
        "update endpoints set secret = %(new)s,"
        " previous_secrets = case when %(grace)s > interval '0'"
        "   then (secret || previous_secrets)[1:%(most)s] else '{}' end,"
        " previous_until = case when %(grace)s > interval '0'"
        "   then (now() + %(grace)s || previous_until)[1:%(most)s] else '{}' end"
        " where account_id = %(account)s and id = %(id)s",
        {"new": new, "grace": grace, "most": _PREVIOUS, "account": account, "id": id},
    )

"""The audit log."""

from datetime import datetime
from typing import Any

from libs.common import pages
from libs.common.calls import Pagination
from libs.common.db import Tx


async def add(
    tx: Tx,
    account: str,
    entry: str,
    *,
    actor_kind: str,
    actor_id: str,
    action: str,
    target: str,
    ip: str,
    request_id: str,
) -> None:
    """An entry; none of an account that is gone."""
    await tx.execute(
        "insert into audit (account_id, id, actor_kind, actor_id, action, target, ip, request_id)"
        " select id, %s, %s, %s, %s, %s, %s, %s from accounts where id = %s for key share",
        (entry, actor_kind, actor_id, action, target, ip, request_id, account),
    )


async def page(
    tx: Tx,
    account: str,
    *,
    before: str | None,
    limit: int,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[list[dict[str, Any]], Pagination]:
    return await pages.page(
        tx,
        "select id, actor_kind, actor_id, action, target, ip, request_id, at from audit"
        " where account_id = %(account)s and (%(before)s::text is null or id < %(before)s)"
        " and (%(action)s::text is null or action = %(action)s)"
        " and (%(since)s::timestamptz is null or at >= %(since)s)"
        " and (%(until)s::timestamptz is null or at < %(until)s)"
        " order by id desc limit %(rows)s",
        {
            "account": account,
            "before": before,
            "action": action,
            "since": since,
            "until": until,
        },
        limit,
    )


async def trim(tx: Tx, days: int, limit: int) -> int:
    """Remove some of what is older than ``days``, of every account; returns how many."""
    cursor = await tx.execute(
        "delete from audit where id in (select id from audit"
        " where at < now() - make_interval(days => %s) limit %s)",
        (days, limit),
    )
    return cursor.rowcount

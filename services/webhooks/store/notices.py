"""What an account's people should know."""

from typing import Any

from libs.common import pages
from libs.common.calls import Listing, Notice, Page
from libs.common.db import Tx
from libs.common.ids import new_id


async def add(tx: Tx, account: str, kind: str, message: str, webhook: str | None) -> None:
    await tx.execute(
        "insert into notices (id, account_id, kind, message, webhook_id) values (%s, %s, %s, %s, %s)",
        (new_id("note"), account, kind, message, webhook),
    )


async def page(tx: Tx, account: str, wanted: Listing) -> Page[Notice]:
    rows, pagination = await pages.page(
        tx,
        "select id, kind, message, webhook_id, created_at from notices"
        " where account_id = %(account)s and (%(before)s::text is null or id < %(before)s)"
        " order by id desc limit %(rows)s",
        {"account": account, "before": pages.decode(wanted.cursor)},
        wanted.limit,
    )
    return Page(data=[Notice(**row) for row in rows], pagination=pagination)


async def unmailed(tx: Tx) -> list[dict[str, Any]]:
    """Recent notices that nobody was mailed."""
    cursor = await tx.execute(
        "select id, account_id, message from notices where mailed_at is null"
        " and created_at > now() - interval '2 days' order by created_at limit 10"
    )
    return await cursor.fetchall()


async def mailed(tx: Tx, ids: list[str]) -> None:
    await tx.execute("update notices set mailed_at = now() where id = any(%s)", (ids,))

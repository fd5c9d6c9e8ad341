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
    """Recent notices that are due to be mailed to somebody."""
    cursor = await tx.execute(
        "select id, account_id, message, mailed_to, mail_tries from notices"
        " where mailed_at is null and mail_due_at <= now()"
        " and created_at > now() - interval '2 days' order by mail_due_at limit 20"
    )
    return await cursor.fetchall()


async def mailed_to(tx: Tx, id: str, address: str) -> None:
    await tx.execute(
        "update notices set mailed_to = array_append(mailed_to, %s) where id = %s", (address, id)
    )


async def mailed(tx: Tx, id: str) -> None:
    await tx.execute("update notices set mailed_at = now() where id = %s", (id,))


async def mail_later(tx: Tx, id: str, seconds: float) -> None:
    await tx.execute(
        "update notices set mail_tries = mail_tries + 1,"
        " mail_due_at = now() + %s * interval '1 second' where id = %s",
        (seconds, id),
    )

"""API keys, by the digest of the key."""

from datetime import datetime
from typing import Any

from libs.common import pages
from libs.common.calls import Pagination
from libs.common.db import Tx

_COLUMNS = "id, name, prefix, scopes, test, expires_at, last_used_at, created_at, user_id"


async def insert(
    tx: Tx,
    account: str,
    key: str,
    *,
    user: str,
    name: str,
    prefix: str,
    digest: bytes,
    pepper: int,
    scopes: list[str],
    test: bool,
    expires_at: datetime | None,
) -> dict[str, Any] | None:
    """The new key; None when there is one with this digest."""
    cursor = await tx.execute(
        "insert into keys (id, account_id, user_id, name, prefix, digest, pepper, scopes, test,"
        " expires_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        f" on conflict (digest) do nothing returning {_COLUMNS}",
        (key, account, user, name, prefix, digest, pepper, scopes, test, expires_at),
    )
    return await cursor.fetchone()


async def page(
    tx: Tx, account: str, *, before: str | None, limit: int
) -> tuple[list[dict[str, Any]], Pagination]:
    return await pages.page(
        tx,
        f"select {_COLUMNS} from keys where account_id = %(account)s"
        " and (%(before)s::text is null or id < %(before)s) order by id desc limit %(rows)s",
        {"account": account, "before": before},
        limit,
    )


async def get(tx: Tx, account: str, key: str) -> dict[str, Any] | None:
    cursor = await tx.execute(
        f"select {_COLUMNS} from keys where id = %s and account_id = %s", (key, account)
    )
    return await cursor.fetchone()


async def delete(tx: Tx, account: str, key: str) -> bool:
    cursor = await tx.execute("delete from keys where id = %s and account_id = %s", (key, account))
    return cursor.rowcount == 1


async def by_digest(tx: Tx, digests: list[bytes]) -> dict[str, Any] | None:
    """A key, its owner and its account; the account is not known before."""
    cursor = await tx.execute(
        "select k.id, k.account_id, k.user_id, k.name, k.digest, k.scopes, k.expires_at,"
        " u.name as user_name, u.status as user_status, u.role,"
        " a.plan, a.status as account_status"
        " from keys k join users u on u.id = k.user_id join accounts a on a.id = k.account_id"
        " where k.digest = any(%s)",
        (digests,),
    )
    return await cursor.fetchone()


async def used(tx: Tx, seen: dict[str, datetime]) -> None:
    """Note when keys were last used."""
    await tx.execute(
        "update keys k set last_used_at = greatest(k.last_used_at, s.at)"
        " from unnest(%s::text[], %s::timestamptz[]) as s(id, at) where k.id = s.id",
        (list(seen), list(seen.values())),
    )

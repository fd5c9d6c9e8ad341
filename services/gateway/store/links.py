"""Links that were mailed, by the hash of what is in them."""

from datetime import datetime
from typing import Any

from libs.common.db import Tx


async def add(
    tx: Tx, account: str, user: str, *, digest: bytes, kind: str, expires_at: datetime
) -> None:
    """A new link; it replaces older ones of its kind."""
    await tx.execute(
        "delete from links where user_id = %s and kind = %s and account_id = %s",
        (user, kind, account),
    )
    await tx.execute(
        "insert into links (digest, account_id, user_id, kind, expires_at)"
        " values (%s, %s, %s, %s, %s)",
        (digest, account, user, kind, expires_at),
    )


async def take(tx: Tx, digest: bytes, kind: str) -> dict[str, Any] | None:
    """Use a link up: whose it was, or None when it is unknown, used or too old."""
    cursor = await tx.execute(
        "delete from links where digest = %s and kind = %s and expires_at > now()"
        " returning account_id, user_id",
        (digest, kind),
    )
    return await cursor.fetchone()


async def delete(tx: Tx, account: str, user: str) -> None:
    """All of a user."""
    await tx.execute("delete from links where user_id = %s and account_id = %s", (user, account))


async def trim(tx: Tx) -> None:
    """Those that are too old to be used, of every account."""
    await tx.execute("delete from links where expires_at < now()")

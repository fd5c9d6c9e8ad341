"""Users."""

from typing import Any

from libs.common import pages
from libs.common.calls import Pagination
from libs.common.db import Tx

_COLUMNS = "id, account_id, email, name, role, status, created_at, last_login_at"


async def insert(
    tx: Tx,
    account: str,
    user: str,
    *,
    email: str,
    name: str,
    role: str,
    status: str,
    password_hash: str | None,
) -> dict[str, Any] | None:
    """The new user; None when the address is taken."""
    cursor = await tx.execute(
        "insert into users (id, account_id, email, name, role, status, password_hash)"
        " values (%s, %s, %s, %s, %s, %s, %s)"
        f" on conflict (email) do nothing returning {_COLUMNS}",
        (user, account, email, name, role, status, password_hash),
    )
    return await cursor.fetchone()


async def get(tx: Tx, account: str, user: str) -> dict[str, Any] | None:
    cursor = await tx.execute(
        f"select {_COLUMNS} from users where id = %s and account_id = %s", (user, account)
    )
    return await cursor.fetchone()


async def page(
    tx: Tx, account: str, *, before: str | None, limit: int
) -> tuple[list[dict[str, Any]], Pagination]:
    return await pages.page(
        tx,
        f"select {_COLUMNS} from users where account_id = %(account)s"
        " and (%(before)s::text is null or id < %(before)s) order by id desc limit %(rows)s",
        {"account": account, "before": before},
        limit,
    )


async def count(tx: Tx, account: str) -> int:
    """Those who are not disabled."""
    cursor = await tx.execute(
        "select count(*) as n from users where account_id = %s and status <> 'disabled'",
        (account,),
    )
    row = await cursor.fetchone()
    return int(row["n"]) if row else 0


async def has_other_owner(tx: Tx, account: str, user: str) -> bool:
    """Whether somebody else owns the account and may log in."""
    cursor = await tx.execute(
        "select exists (select 1 from users where account_id = %s and role = 'owner'"
        " and status = 'active' and id <> %s) as found",
        (account, user),
    )
    row = await cursor.fetchone()
    return bool(row and row["found"])


async def ids(tx: Tx, account: str) -> list[str]:
    cursor = await tx.execute("select id from users where account_id = %s", (account,))
    return [row["id"] for row in await cursor.fetchall()]


async def owners(tx: Tx, account: str) -> list[str]:
    """The addresses of those who own the account and may log in."""
    cursor = await tx.execute(
        "select email from users where account_id = %s and role = 'owner'"
        " and status = 'active' order by id limit 20",
        (account,),
    )
    return [row["email"] for row in await cursor.fetchall()]


async def update(
    tx: Tx,
    account: str,
    user: str,
    *,
    name: str | None = None,
    role: str | None = None,
    status: str | None = None,
    password_hash: str | None = None,
) -> dict[str, Any] | None:
    """``active`` makes one without a password ``invited``."""
    cursor = await tx.execute(
        "update users set name = coalesce(%(name)s, name), role = coalesce(%(role)s, role),"
        " password_hash = coalesce(%(hash)s, password_hash), updated_at = now(),"
        " status = case when %(status)s = 'active' and coalesce(%(hash)s, password_hash) is null"
        "  then 'invited' else coalesce(%(status)s, status) end"
        f" where id = %(user)s and account_id = %(account)s returning {_COLUMNS}",
        {
            "name": name,
            "role": role,
            "status": status,
            "hash": password_hash,
            "user": user,
            "account": account,
        },
    )
    return await cursor.fetchone()


async def delete(tx: Tx, account: str, user: str) -> bool:
    cursor = await tx.execute(
        "delete from users where id = %s and account_id = %s", (user, account)
    )
    return cursor.rowcount == 1


async def lock_account(tx: Tx, account: str) -> None:
    """Changes that count users wait for each other."""
    await tx.execute("select 1 from accounts where id = %s for update", (account,))


# -- before the account is known ------------------------------------------------------------


async def by_email(tx: Tx, email: str) -> dict[str, Any] | None:
    """With the password hash and the state of the account; for logging in alone."""
    cursor = await tx.execute(
        "select u.id, u.account_id, u.email, u.name, u.role, u.status, u.password_hash,"
        " a.status as account_status, a.plan from users u join accounts a on a.id = u.account_id"
        " where u.email = %s",
        (email,),
    )
    return await cursor.fetchone()


async def with_account(tx: Tx, account: str, user: str) -> dict[str, Any] | None:
    """A user and the state of the account; for each request of a session."""
    cursor = await tx.execute(
        "select u.id, u.account_id, u.email, u.name, u.role, u.status,"
        " a.status as account_status, a.plan, a.name as account_name"
        " from users u join accounts a on a.id = u.account_id"
        " where u.id = %s and u.account_id = %s",
        (user, account),
    )
    return await cursor.fetchone()


async def logged_in(tx: Tx, account: str, user: str, password_hash: str | None) -> None:
    """``password_hash`` is a fresh one where the old one's parameters were out of date."""
    await tx.execute(
        "update users set last_login_at = now(), password_hash = coalesce(%s, password_hash)"
        " where id = %s and account_id = %s",
        (password_hash, user, account),
    )


async def anyone(tx: Tx) -> bool:
    """Whether this installation has a user at all."""
    cursor = await tx.execute("select exists (select 1 from users) as found")
    row = await cursor.fetchone()
    return bool(row and row["found"])

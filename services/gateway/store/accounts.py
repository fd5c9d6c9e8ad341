"""Accounts and their deletion jobs."""

from typing import Any

from psycopg.types.json import Jsonb

from libs.common import pages
from libs.common.calls import Pagination
from libs.common.db import Tx

_COLUMNS = "id, name, plan, status, settings, created_at, updated_at"


async def insert(tx: Tx, account: str, *, name: str, plan: str) -> bool:
    """Whether it was new."""
    cursor = await tx.execute(
        "insert into accounts (id, name, plan) values (%s, %s, %s) on conflict do nothing",
        (account, name, plan),
    )
    return cursor.rowcount == 1


async def get(tx: Tx, account: str) -> dict[str, Any] | None:
    cursor = await tx.execute(
        f"select {_COLUMNS} from accounts where id = %s and status <> 'deleting'", (account,)
    )
    return await cursor.fetchone()


async def page(
    tx: Tx, *, before: str | None, limit: int
) -> tuple[list[dict[str, Any]], Pagination]:
    """Of the whole installation, newest first; for the operator."""
    return await pages.page(
        tx,
        f"select {_COLUMNS} from accounts where status <> 'deleting'"
        " and (%(before)s::text is null or id < %(before)s) order by id desc limit %(rows)s",
        {"before": before},
        limit,
    )


async def update(
    tx: Tx,
    account: str,
    *,
    name: str | None = None,
    plan: str | None = None,
    status: str | None = None,
    settings: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    cursor = await tx.execute(
        "update accounts set name = coalesce(%s, name), plan = coalesce(%s, plan),"
        " status = coalesce(%s, status), settings = coalesce(%s, settings), updated_at = now()"
        f" where id = %s and status <> 'deleting' returning {_COLUMNS}",
        (name, plan, status, None if settings is None else Jsonb(settings), account),
    )
    return await cursor.fetchone()


async def delete(tx: Tx, account: str) -> None:
    """With all its rows. The account first: who is about to write of it in the log is waited for."""
    await tx.execute("delete from accounts where id = %s", (account,))
    await tx.execute("delete from audit where account_id = %s", (account,))


# -- deletion jobs ---------------------------------------------------------------------------

_JOB = "id, account_id, kind, status, progress, error, created_at, updated_at"


async def add_job(tx: Tx, account: str, job: str, kind: str) -> dict[str, Any]:
    cursor = await tx.execute(
        f"insert into jobs (id, account_id, kind) values (%s, %s, %s) returning {_JOB}",
        (job, account, kind),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def job(tx: Tx, account: str, job_id: str) -> dict[str, Any] | None:
    cursor = await tx.execute(
        f"select {_JOB} from jobs where id = %s and account_id = %s", (job_id, account)
    )
    return await cursor.fetchone()


async def any_job(tx: Tx, job_id: str) -> dict[str, Any] | None:
    """Of whichever account; for the operator."""
    cursor = await tx.execute(f"select {_JOB} from jobs where id = %s", (job_id,))
    return await cursor.fetchone()


async def claim_job(tx: Tx, lease_seconds: float) -> dict[str, Any] | None:
    """A job that nobody has touched for a while, now ours."""
    cursor = await tx.execute(
        "update jobs set updated_at = now() where id = ("
        "  select id from jobs where status = 'running'"
        "  and (updated_at < now() - make_interval(secs => %s) or updated_at = created_at)"
        "  order by updated_at limit 1 for update skip locked"
        f") returning {_JOB}",
        (lease_seconds,),
    )
    return await cursor.fetchone()


async def set_job(tx: Tx, account: str, job_id: str, status: str, progress: float) -> None:
    await tx.execute(
        "update jobs set status = %s, progress = %s, updated_at = now()"
        " where id = %s and account_id = %s",
        (status, progress, job_id, account),
    )


async def trim_jobs(tx: Tx, days: int) -> None:
    """What ended long ago, of every account."""
    await tx.execute(
        "delete from jobs where status <> 'running' and updated_at < now() - make_interval(days => %s)",
        (days,),
    )

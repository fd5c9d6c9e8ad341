"""Transactions on a real Postgres: of one account, whole or not at all."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from libs.common.db import Database
from libs.common.errors import Unavailable
from tests.conftest import Servers, TestDatabase


@pytest.fixture
def place(database: Callable[[str], TestDatabase]) -> TestDatabase:
    return database("chat")


@pytest.fixture
async def db(place: TestDatabase) -> AsyncIterator[Database]:
    async with Database.open(place.url, schema="chat", service="test", size=2) as opened:
        yield opened


async def _add(tx: psycopg.AsyncConnection[dict[str, object]], account: str, id: str) -> None:
    await tx.execute(
        "insert into jobs (id, account_id, kind, target) values (%s, %s, 'test', 'x')",
        (id, account),
    )


async def _jobs(db: Database, account: str | None = None) -> set[str]:
    async with db.transaction(account) if account else db.system() as tx:
        rows = await (await tx.execute("select id from jobs")).fetchall()
    return {row["id"] for row in rows}


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_transaction_sees_and_writes_its_own_account_alone(
    db: Database, pipelined: bool
) -> None:
    for account in ("acc_a", "acc_b"):
        async with db.transaction(account, pipelined=pipelined) as tx:
            await _add(tx, account, f"job_{account}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with db.transaction("acc_a", pipelined=pipelined) as tx:
            await _add(tx, "acc_b", "job_foreign")
    assert await _jobs(db, "acc_a") == {"job_acc_a"}
    assert await _jobs(db) == {"job_acc_a", "job_acc_b"}


@pytest.mark.parametrize("pipelined", [False, True])
async def test_an_account_with_a_quote_in_its_name_is_a_name(db: Database, pipelined: bool) -> None:
    name = "acc'); select set_config('app.account', '*', true); --"
    async with db.transaction("acc_a") as tx:
        await _add(tx, "acc_a", "job_1")
    async with db.transaction(name, pipelined=pipelined) as tx:
        assert await (await tx.execute("select id from jobs")).fetchall() == []


@pytest.mark.parametrize("pipelined", [False, True])
async def test_what_fails_leaves_nothing_and_the_connection_goes_on(
    db: Database, pipelined: bool
) -> None:
    for _ in range(3):  # more often than there are connections
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with db.transaction("acc_a", pipelined=pipelined) as tx:
                await _add(tx, "acc_a", "job_1")
                await tx.execute("insert into nowhere values (1)")
                await _add(tx, "acc_a", "job_2")
        with pytest.raises(KeyError):
            async with db.transaction("acc_a", pipelined=pipelined) as tx:
                await _add(tx, "acc_a", "job_3")
                raise KeyError
    assert await _jobs(db) == set()


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_failure_that_was_swallowed_is_not_taken_for_a_commit(
    db: Database, pipelined: bool
) -> None:
    with pytest.raises((psycopg.Error, Unavailable)):
        async with db.transaction("acc_a", pipelined=pipelined) as tx:
            await _add(tx, "acc_a", "job_1")
            try:
                cursor = await tx.execute("select 1 / 0 as n")
                await cursor.fetchone()
            except psycopg.Error:
                pass
    assert await _jobs(db) == set()


@pytest.mark.parametrize("pipelined", [False, True])
async def test_one_that_is_cancelled_leaves_nothing_and_the_pool_goes_on(
    db: Database, pipelined: bool
) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), db.transaction("acc_a", pipelined=pipelined) as tx:
                await _add(tx, "acc_a", "job_1")
                await (await tx.execute("select pg_sleep(20)")).fetchone()
    assert await _jobs(db) == set()


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_session_that_the_server_ended_is_unavailable_and_the_next_works(
    db: Database, place: TestDatabase, pipelined: bool
) -> None:
    with pytest.raises(Unavailable):
        async with db.transaction("acc_a", pipelined=pipelined) as tx:
            pid = tx.info.backend_pid
            async with await psycopg.AsyncConnection.connect(
                place.admin_url, autocommit=True
            ) as admin:
                await admin.execute("select pg_terminate_backend(%s)", (pid,))
            await _add(tx, "acc_a", "job_1")
    assert await _jobs(db) == set()


async def test_it_is_back_as_soon_as_the_server_is_however_long_that_was_away(
    servers: Servers, db: Database
) -> None:
    assert await _jobs(db) == set()
    await asyncio.to_thread(servers.kill, "postgres")
    away = time.monotonic() + 9  # by then the pool's own pauses would be eight seconds long
    while time.monotonic() < away:
        with pytest.raises(Unavailable):
            async with asyncio.timeout(20):
                await _jobs(db)
    await asyncio.to_thread(servers.start, "postgres")
    back = time.monotonic()
    while True:
        try:
            assert await _jobs(db) == set()
            break
        except Unavailable:
            assert time.monotonic() - back < 15
    assert db.pool.get_stats()["pool_size"] <= 2

"""Transactions on a real Postgres: of one account, whole or not at all."""

import asyncio
import time
from urllib.parse import urlsplit

import psycopg
import pytest

from deploy.local.servers import free_port
from libs.common.db import Database
from libs.common.errors import Unavailable
from tests.conftest import TestDatabase


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


async def test_what_a_failed_pipeline_never_came_to_is_executed_later(db: Database) -> None:
    """The driver believes it prepared a statement that the server, after an error, passed over."""
    later = "select id from jobs where kind = %s"
    for _ in range(40):  # on each connection until it is prepared, and again
        async with db.transaction("acc_a", pipelined=True) as tx:
            assert await (await tx.execute(later, ("test",))).fetchall() == []
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with db.transaction("acc_a", pipelined=True) as tx:
                await _add(tx, "acc_a", "job_1")
                await _add(tx, "acc_a", "job_1")
                await tx.execute(later, ("test",))


@pytest.mark.parametrize("pipelined", [False, True])
async def test_what_fails_leaves_nothing_and_the_connection_goes_on(
    db: Database, pipelined: bool
) -> None:
    for _ in range(5):  # more often than there are connections
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


class Way:
    """The way to a server: a port that can be closed, with all that goes through it."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = free_port()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._through, "127.0.0.1", self.port)

    def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        on, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(_copy(reader, back), _copy(on, writer))
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_it_is_back_as_soon_as_the_server_is_however_long_that_was_away(
    place: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.common.db.POOL_TIMEOUT", 3.0)
    way = Way(urlsplit(place.url).port or 0)
    await way.open()
    url = place.url.replace(f":{urlsplit(place.url).port}/", f":{way.port}/")
    async with Database.open(url, schema="chat", service="test", size=2) as db:
        assert await _jobs(db) == set()
        way.close()
        away = time.monotonic() + 8  # by then the pool's own pauses would be eight seconds long
        while time.monotonic() < away:
            with pytest.raises(Unavailable):
                await _jobs(db)
        await way.open()
        assert await _jobs(db) == set()
        way.close()

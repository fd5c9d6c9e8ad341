"""Postgres: a pool, and transactions bound to an account.

Every transaction names the account it works for; row-level security keyed on
``current_setting('app.account')`` shows it that account's rows alone. Work across accounts
(relays, dispatchers, sweepers) says so by `Database.system`. The service's role owns nothing
and has no BYPASSRLS: it can't do without either.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg import AsyncConnection, AsyncCursor, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from libs.common.envelope import ANY_ACCOUNT
from libs.common.errors import Unavailable
from libs.common.telemetry import DB_POOL_WAITING, DB_TRANSACTIONS, child_span, log

Tx: TypeAlias = AsyncConnection[DictRow]

CONNECT_TIMEOUT = 30.0  # seconds to the first connection, then the process gives up
POOL_TIMEOUT = 8.0  # seconds to wait for a free connection, within what a request may take
# Seconds that the pool tries by itself to replace a connection; its pauses double without a bound.
# After that whoever needs one makes it try at once: it is back as soon as the server is.
RECONNECT_TIMEOUT = 3.0
STATEMENT_TIMEOUT = 30_000  # milliseconds
LOCK_TIMEOUT = 10_000  # milliseconds
IDLE_IN_TRANSACTION_TIMEOUT = 30_000  # milliseconds
# What is pipelined goes by keys. Postgres keeps the plan of a prepared statement: one made while
# the tables were small went through them whole, and still did so once they had grown. For the same
# reason such statements write ``(condition) is true`` where no index is to be chosen for it: an
# account's looks like that of one row as long as nothing is known of the table.
_BEGUN = (
    "select set_config('app.account', %s, true), set_config('lock_timeout', %s, true),"
    " set_config('enable_seqscan', 'off', true)"
)
_encode = msgspec.json.Encoder().encode
_pools: "set[AsyncConnectionPool[Any]]" = set()  # of this process
_NOT_NOW = ("08", "53", "57")  # SQLSTATE: connection, resources, shutting down or cancelled
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Returned:
    """What a pipelined statement returns, a row for each key; there once it was committed."""

    def __init__(self, cursor: AsyncCursor[DictRow], key: str) -> None:
        self._cursor = cursor
        self._key = key
        self._rows: dict[str, DictRow] = {}

    async def row(self, key: str) -> DictRow:
        if not self._rows:
            self._rows = {row[self._key]: row for row in await self._cursor.fetchall()}
        return self._rows[key]


class Database:
    """The service's own schema, reached as its own role."""

    def __init__(self, pool: AsyncConnectionPool[Tx]) -> None:
        self.pool = pool
        self.after_commit: list[Callable[[Tx], None]] = []  # told of every committed transaction

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, schema: str, service: str, size: int = 10
    ) -> AsyncGenerator["Database"]:
        """Connect, waiting up to `CONNECT_TIMEOUT` for a server that is still starting."""
        options = (
            f"-c search_path={schema} -c statement_timeout={STATEMENT_TIMEOUT} "
            f"-c lock_timeout={LOCK_TIMEOUT} -c jit=off "
            f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT}"
        )
        pool: AsyncConnectionPool[Tx] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=size,
            timeout=POOL_TIMEOUT,
            max_waiting=size * 50,
            max_idle=120,
            reconnect_timeout=RECONNECT_TIMEOUT,
            open=False,
            kwargs={
                "autocommit": True,  # `_transaction` says where one begins and ends
                "row_factory": dict_row,
                "options": options,
                "application_name": f"chattery-{service}",
                "connect_timeout": 5,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 30_000,  # milliseconds: what is sent into nothing ends, too
            },
        )
        try:
            await pool.open(wait=True, timeout=CONNECT_TIMEOUT)
        except PoolTimeout as exc:
            await pool.close()
            raise Unavailable("No connection to Postgres; check DATABASE_URL.") from exc
        _pools.add(pool)
        DB_POOL_WAITING.set_function(_waiting)
        try:
            yield cls(pool)
        finally:
            _pools.discard(pool)
            await pool.close(timeout=5)

    @asynccontextmanager
    async def transaction(
        self, account: str, *, pipelined: bool = False, lock_timeout: int | None = None
    ) -> AsyncGenerator[Tx]:
        """One unit of work for one account: commits at the end, rolls back on any exception.

        A ``pipelined`` one waits for the server only where a result is fetched, and at the end:
        statements are sent together. What one of them is refused with is raised there, not
        where it was executed, and ``rowcount`` is known only of what was fetched. It waits for
        a lock up to ``lock_timeout`` milliseconds, else up to `LOCK_TIMEOUT`.

        Raises `Unavailable` when Postgres is away; nothing was then committed, except where
        the connection broke during the commit itself.
        """
        if not account or account == ANY_ACCOUNT:
            raise ValueError("a transaction is for one account; workers use system()")
        async with self._transaction(account, pipelined, lock_timeout) as tx:
            yield tx

    @asynccontextmanager
    async def system(self, *, pipelined: bool = False) -> AsyncGenerator[Tx]:
        """One unit of work of the platform itself, which sees every account."""
        async with self._transaction(ANY_ACCOUNT, pipelined, None) as tx:
            yield tx

    @asynccontextmanager
    async def _transaction(
        self, account: str, pipelined: bool, lock_timeout: int | None
    ) -> AsyncGenerator[Tx]:
        started = time.perf_counter()
        outcome = "rolled_back"
        try:
            with child_span("postgres.transaction", {"db.system.name": "postgresql"}):
                async with self._connection() as connection:
                    if pipelined:
                        work = _pipelined(connection, account, lock_timeout or LOCK_TIMEOUT)
                    else:
                        work = _one_by_one(connection, account)
                    async with work:
                        yield connection
            outcome = "committed"
            for tell in self.after_commit:
                tell(connection)
        except _AWAY as exc:
            if isinstance(exc, psycopg.errors.QueryCanceled):
                log.warning("statement_timed_out")
            outcome = "unavailable"
            raise Unavailable("The database is away; try again shortly.") from exc
        finally:
            DB_TRANSACTIONS.labels(outcome).observe(time.perf_counter() - started)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Tx]:
        """A connection that answers: those that died with a restarted server are passed over."""
        for _ in range(self.pool.max_size + 1):
            connection = await self.pool.getconn()
            if await _alive(connection):
                break
            await self.pool.putconn(connection)
        else:
            raise PoolTimeout("no live connection")
        try:
            yield connection
        finally:
            await self.pool.putconn(connection)

    async def ready(self) -> None:
        """Raise unless the database answers."""
        async with asyncio.timeout(3), self.system() as tx:
            await tx.execute("select 1")


def as_json(value: object) -> str:
    """For a parameter that holds many rows: one statement, and one plan, for any number of them."""
    return _encode(value).decode()


def is_away(exc: Exception) -> bool:
    """Whether the database itself was away; not, where a statement failed as others might not."""
    cause = exc.__cause__
    if isinstance(cause, psycopg.Error) and cause.sqlstate is not None:
        return cause.sqlstate.startswith(_NOT_NOW)
    return isinstance(exc, Unavailable)


def is_locked(exc: Exception) -> bool:
    """Whether somebody else held what a transaction needed."""
    return isinstance(
        exc.__cause__, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
    )


def _waiting() -> int:
    return sum(pool.get_stats().get("requests_waiting", 0) for pool in _pools)


@asynccontextmanager
async def _one_by_one(connection: Tx, account: str) -> AsyncGenerator[None]:
    """A transaction of an account whose statements are answered one after the other."""
    begin = sql.SQL("begin; select set_config('app.account', {}, true)")
    try:
        await connection.execute(begin.format(account), prepare=False)
        yield
        ended = await connection.execute("commit", prepare=False)
    except BaseException:
        await _roll_back(connection, pipelined=False)
        raise
    _check_committed(ended.statusmessage)


@asynccontextmanager
async def _pipelined(connection: Tx, account: str, lock_timeout: int) -> AsyncGenerator[None]:
    try:
        async with connection.pipeline():
            await connection.execute("begin")
            await connection.execute(_BEGUN, (account, f"{lock_timeout}ms"))
            yield
            ended = await connection.execute("commit")
    except BaseException:
        await _roll_back(connection, pipelined=True)
        raise
    _check_committed(ended.statusmessage)


async def _roll_back(connection: Tx, *, pipelined: bool) -> None:
    """What can't be rolled back is a broken connection, which the pool drops."""
    if connection.closed or connection.info.transaction_status == TransactionStatus.IDLE:
        return
    with suppress(psycopg.Error):
        if pipelined:  # this forgets all prepared statements, of which some may never have been
            await connection.rollback()
        else:
            await connection.execute("rollback", prepare=False)


def _check_committed(said: str | None) -> None:
    """A commit of what failed before is answered by a rollback."""
    if said != "COMMIT":
        raise psycopg.errors.InFailedSqlTransaction("the transaction was rolled back")


async def _alive(connection: Tx) -> bool:
    """Whether the socket is still open; a look at the descriptor, no round trip."""
    if connection.closed:
        return False
    try:
        connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return connection.pgconn.status == psycopg.pq.ConnStatus.OK

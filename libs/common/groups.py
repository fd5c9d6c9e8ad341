"""Group commit: what comes at the same time shares a transaction.

While one transaction is under way, further units of work of the same group wait and go together
in the next one: the busier it is, the more of them share what a transaction costs. Who comes
alone waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from typing import Generic, TypeAlias, TypeVar

import psycopg

from libs.common.db import Database, Tx
from libs.common.errors import Unavailable
from libs.common.telemetry import child_span

REST = 0.01  # seconds between two transactions of a group: what comes meanwhile goes together
MOST = 32  # units of work in a transaction
_STOPPING = "The service is stopping; try again shortly."
_TOGETHER = (  # what a unit may owe to the others of its transaction
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
)

W = TypeVar("W")
R = TypeVar("R")
# Does some units' work and returns what came of each: a result, or the error that is its alone
# and for which it has written nothing.
Work: TypeAlias = Callable[[Tx, str, Sequence[W]], Awaitable[Sequence[R | Exception]]]


class _Waiting(Generic[W, R]):
    def __init__(self, unit: W, keys: frozenset[str]) -> None:
        self.unit = unit
        self.keys = keys
        self.result: asyncio.Future[R] = asyncio.get_running_loop().create_future()


class GroupCommit(Generic[W, R]):
    """Does units of work, in pipelined transactions of one account that several may share.

    Units with a key in common never share one and go in the order in which they came. When a
    transaction of several fails for another reason than the database being away, each of them
    is tried again by itself, so ``work`` may be called twice for a unit; nothing of the first
    time is stored then. A unit that nobody waits for any more is left out, but not broken off.
    """

    def __init__(
        self,
        db: Database,
        work: Work[W, R],
        *,
        keys: Callable[[W], frozenset[str]] = lambda _: frozenset(),
    ) -> None:
        self._db = db
        self._work = work
        self._keys = keys
        self._waiting: dict[Hashable, list[_Waiting[W, R]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, account: str, group: Hashable, unit: W) -> R:
        """Have this done with what else is in this group of the account.

        Raises what ``work`` does or returns for it; `Unavailable` as a transaction does.
        """
        waiting = _Waiting[W, R](unit, self._keys(unit))
        if (account, group) in self._waiting:
            self._waiting[account, group].append(waiting)
        else:
            self._waiting[account, group] = [waiting]
            task = asyncio.create_task(self._commits(account, group), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with child_span("postgres.transaction", {"db.system.name": "postgresql"}):
            return await waiting.result

    async def _commits(self, account: str, group: Hashable) -> None:
        """Do what waits, until nothing does."""
        waiting = self._waiting[account, group]
        try:
            while waiting:
                if units := _take(waiting):
                    await self._commit(account, units)
                    await asyncio.sleep(REST)
        finally:
            del self._waiting[account, group]
            _fail(waiting, Unavailable(_STOPPING))

    async def _commit(self, account: str, units: list[_Waiting[W, R]]) -> None:
        try:
            async with self._db.transaction(account, pipelined=True) as tx:
                results = await self._work(tx, account, [one.unit for one in units])
        except Exception as exc:
            away = isinstance(exc, Unavailable) and not isinstance(exc.__cause__, _TOGETHER)
            if len(units) == 1 or away:
                _fail(units, exc)
            else:
                await asyncio.gather(*(self._commit(account, [one]) for one in units))
            return
        except asyncio.CancelledError:
            _fail(units, Unavailable(_STOPPING))
            raise
        for one, result in zip(units, results, strict=True):
            if one.result.done():  # nobody waits for it any more
                continue
            if isinstance(result, Exception):
                one.result.set_exception(result)
            else:
                one.result.set_result(result)


def _take(waiting: list[_Waiting[W, R]]) -> list[_Waiting[W, R]]:
    """The first that may go together; the others stay, in their order."""
    taken: list[_Waiting[W, R]] = []
    left: list[_Waiting[W, R]] = []
    keys: set[str] = set()
    for one in waiting:
        if one.result.done():
            continue
        (taken if len(taken) < MOST and keys.isdisjoint(one.keys) else left).append(one)
        keys |= one.keys
    waiting[:] = left
    return taken


def _fail(units: Sequence[_Waiting[W, R]], exc: Exception) -> None:
    for one in units:
        if not one.result.done():
            one.result.set_exception(exc)

"""Group commit: what comes at the same time shares a transaction.

While one transaction is under way, further units of work of the same group wait, and go together
in the next one: the busier it is, the more of them share what a transaction costs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from contextvars import Context, copy_context
from typing import Any, Generic, TypeAlias, TypeVar

from libs.common.db import Database, Tx, is_away, is_locked
from libs.common.errors import Unavailable
from libs.common.telemetry import child_span, log

REST = 0.01  # seconds between two transactions of a group: what comes meanwhile goes together
MOST = 32  # units of work in a transaction
PATIENCE = 100  # milliseconds that a transaction of a group waits for a lock
APART = 3  # units of a group that wait for locks at once; then the group waits for them
# Seconds for a transaction, lest a connection that is no more holds up a group. The driver then
# takes up to ten more to ask the server to cancel, and to close the connection.
TIMEOUT = 8.0
TIMEOUT_APART = 25.0  # with the time to wait for a lock or two
_STOPPING = "The service is stopping; try again shortly."

W = TypeVar("W")
R = TypeVar("R")
# Does units of work within a transaction of an account. Returns what came of each: a result, or
# the error that is its alone and for which it has written nothing.
Work: TypeAlias = Callable[[Tx, str, Sequence[W]], Awaitable[Sequence[R | Exception]]]


class _Waiting(Generic[W, R]):
    def __init__(self, unit: W, keys: frozenset[str]) -> None:
        self.unit = unit
        self.keys = keys
        self.context = copy_context()
        self.under_way = False
        self.stored = False  # `GroupCommit._follow` settles it
        self.result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.result.add_done_callback(_heard)  # also where nobody waits for it any more

    def settle(self, result: R | Exception) -> None:
        if self.result.done():
            return
        if isinstance(result, Exception):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)


class _Group(Generic[W, R]):
    def __init__(self) -> None:
        self.waiting: list[_Waiting[W, R]] = []
        self.apart: list[_Waiting[W, R]] = []  # wait for a lock, each in a transaction of its own
        self.changed = asyncio.Event()

    def take(self) -> list[_Waiting[W, R]]:
        """The first that may go together now; the others stay, in their order."""
        if len(self.apart) >= APART:
            return []
        taken: list[_Waiting[W, R]] = []
        left: list[_Waiting[W, R]] = []
        keys = {key for one in self.apart for key in one.keys}
        for one in self.waiting:
            if one.result.cancelled():
                continue
            (taken if len(taken) < MOST and keys.isdisjoint(one.keys) else left).append(one)
            keys |= one.keys
        self.waiting = left
        for one in taken:
            one.under_way = True
        return taken

    def give_back(self, units: Sequence[_Waiting[W, R]]) -> None:
        """Nothing was done for these; they come first."""
        for one in units:
            one.under_way = False
        self.waiting[:0] = units


class GroupCommit(Generic[W, R]):
    """Does units of work, in pipelined transactions of one account that several may share.

    Units with a key in common never share one and go in the order in which they came. When a
    transaction of several fails, each half of them is tried again by itself, until those are found
    that it is about; whoever waits for a lock then does so alone, and only those with the same
    key wait for it. So ``work`` may be called several times for a unit, of which one counts: what
    it does besides writing into its transaction has to bear that. What follows from a unit that
    was stored is ``then``, which is called once, whether or not anybody waits for it any more.
    """

    def __init__(
        self,
        db: Database,
        work: Work[W, R],
        then: Callable[[R], Awaitable[None]],
        *,
        keys: Callable[[W], frozenset[str]] = lambda _: frozenset(),
    ) -> None:
        self._db = db
        self._work = work
        self._then = then
        self._keys = keys
        self._groups: dict[tuple[str, Hashable], _Group[W, R]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self,
        account: str,
        group: Hashable,
        unit: W,
        *,
        settled: Callable[[], None] | None = None,
    ) -> R:
        """Have this done with what else is in this group of the account.

        Raises what ``work`` does or returns for it, and `Unavailable` as a transaction does.
        Cancelled while it waits, it is left out; once it is under way it may be stored all the same.
        ``settled`` is called when it is over, whatever came of it.
        """
        one = _Waiting[W, R](unit, self._keys(unit))
        if settled is not None:
            one.result.add_done_callback(lambda _: settled())
        found = self._groups.get((account, group))
        if found is None:
            found = self._groups[account, group] = _Group[W, R]()
            self._spawn(self._commits(account, group, found), Context())  # of no request
        found.waiting.append(one)
        found.changed.set()
        try:
            with child_span("postgres.transaction", {"db.system.name": "postgresql"}):
                return await asyncio.shield(one.result)
        except asyncio.CancelledError:
            if not one.under_way:
                one.result.cancel()
            raise

    async def _follow(self, one: _Waiting[W, R], result: R) -> None:
        """See one through that was stored, whether or not anybody waits for it any more."""
        try:
            await self._then(result)
        except Exception as exc:
            log.error("stored_and_not_seen_through", exc_info=exc)
            one.settle(exc)
        finally:
            one.settle(result)

    def _spawn(self, work: Coroutine[Any, Any, None], context: Context) -> None:
        task = asyncio.create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _commits(self, account: str, name: Hashable, group: _Group[W, R]) -> None:
        """Do what waits, until nothing does."""
        units: list[_Waiting[W, R]] = []
        try:
            while group.waiting or group.apart:
                group.changed.clear()
                units = group.take()
                if units:
                    await self._commit(account, group, units)
                    await asyncio.sleep(REST)
                elif group.waiting or group.apart:
                    await group.changed.wait()
        finally:
            del self._groups[account, name]
            _fail([*units, *group.waiting], _STOPPING)

    async def _commit(self, account: str, group: _Group[W, R], units: list[_Waiting[W, R]]) -> None:
        if len(group.apart) >= APART:
            group.give_back(units)
            return
        error = await self._try(account, units, TIMEOUT, lock_timeout=PATIENCE)
        if error is None:
            return
        if is_away(error):
            _fail(units, str(error))
        elif len(units) > 1:
            half = len(units) // 2
            await self._commit(account, group, units[:half])
            await self._commit(account, group, units[half:])
        elif is_locked(error):
            group.apart.extend(units)
            self._spawn(self._wait(account, group, units[0]), Context())
        else:
            units[0].settle(error)

    async def _wait(self, account: str, group: _Group[W, R], one: _Waiting[W, R]) -> None:
        """Do one whose rows somebody else holds, as long as that may take."""
        try:
            if error := await self._try(account, [one], TIMEOUT_APART):
                one.settle(error)
        finally:
            _fail([one], _STOPPING)
            group.apart.remove(one)
            group.changed.set()

    async def _try(
        self,
        account: str,
        units: Sequence[_Waiting[W, R]],
        seconds: float,
        *,
        lock_timeout: int | None = None,
    ) -> Exception | None:
        limit = asyncio.timeout(seconds)
        try:
            async with (
                limit,
                self._db.transaction(account, pipelined=True, lock_timeout=lock_timeout) as tx,
            ):
                results = await self._work(tx, account, [one.unit for one in units])
                done = list(zip(units, results, strict=True))
        except Exception as exc:
            if limit.expired():
                return Unavailable("The database does not answer; try again shortly.")
            return exc
        for one, result in done:
            if isinstance(result, Exception):
                one.settle(result)
            else:
                one.stored = True
                self._spawn(self._follow(one, result), one.context)
        return None


def _heard(result: "asyncio.Future[Any]") -> None:
    if not result.cancelled():
        result.exception()


def _fail(units: Sequence[_Waiting[W, R]], message: str) -> None:
    """Refuse those of which nothing is stored."""
    for one in units:
        if not one.stored:
            one.settle(Unavailable(message))

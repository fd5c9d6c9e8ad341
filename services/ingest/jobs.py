"""One item worked through: read, cut, indexed; or failed with a reason; or put back."""

import random
from collections.abc import Awaitable, Callable

import msgspec

from libs.common.db import Database
from libs.common.errors import AppError, Unavailable
from libs.common.fetch import FetchError
from libs.common.telemetry import log
from services.ingest.extract.blocks import ExtractionFailed
from services.ingest.faults import reached
from services.ingest.indexing import Indexer, LeaseLost
from services.ingest.metrics import ITEMS
from services.ingest.notices import Notices
from services.ingest.sources import Sources, Unchanged
from services.ingest.store import work
from services.ingest.store.rows import ItemRow

FETCH_TRIES = 3
CRASH_TRIES = 10  # claims that ended with their worker
BUG_TRIES = 4  # of input that our own code stumbles over
OUTAGE_TRIES = 60  # while a part of ours is away

_POISON = "It could not be processed after several tries; change it, or remove it."


class Jobs:
    def __init__(self, db: Database, sources: Sources, indexer: Indexer, notices: Notices) -> None:
        self._db = db
        self._sources = sources
        self._indexer = indexer
        self._notices = notices

    async def run(self, item: ItemRow) -> None:
        """Never raises for what an item may hold; `LeaseLost` only says to let go."""
        await settle(self._db, self._notices, item, lambda: self._work(item))

    async def _work(self, item: ItemRow) -> ItemRow | None:
        async def stage(name: str) -> None:
            await self._stage(item, name)

        reached("claimed")
        await self._notices.changed(item)
        try:
            document = await self._sources.document(item, stage)
        except Unchanged as same:
            return await self._unchanged(item, same.etag, same.last_modified)
        if item.generation > 0 and item.content_hash == document.digest:
            return await self._unchanged(item, document.etag, document.last_modified)
        await stage("indexing")
        reached("extracted")
        return await self._indexer.index(item, document)

    async def _stage(self, item: ItemRow, name: str) -> None:
        assert item.lease is not None
        async with self._db.transaction(item.account_id) as tx:
            if not await work.set_stage(tx, item.account_id, item.id, item.lease, name):
                raise LeaseLost

    async def _unchanged(
        self, item: ItemRow, etag: str | None, last_modified: str | None
    ) -> ItemRow | None:
        assert item.lease is not None
        async with self._db.transaction(item.account_id) as tx:
            return await work.unchanged(
                tx, item.account_id, item.id, item.lease, etag=etag, last_modified=last_modified
            )


async def settle(
    db: Database,
    notices: Notices,
    item: ItemRow,
    do: Callable[[], Awaitable[ItemRow | None]],
) -> None:
    """Do the work of a claimed item and leave its row in a state that says how it went."""
    if item.crashes >= CRASH_TRIES:
        await _fail(db, notices, item, "poison", _POISON)
        return
    try:
        done = await do()
    except LeaseLost:
        log.info("item_let_go", item=item.id)
    except Exception as exc:
        await _judge(db, notices, item, exc)
    else:
        if done is not None:
            ITEMS.labels(item.type, done.status).inc()
            log.info("item_ready", item=item.id, chunks=done.chunks, attempts=item.attempts)
            await notices.changed(done)


class _Outcome(msgspec.Struct, frozen=True):
    """What an exception means for the item: another try after ``delay``, or its end."""

    code: str
    message: str
    tries: int = 1
    delay: float = 0.0  # seconds


def _outcome(exc: Exception, attempts: int) -> _Outcome:
    match exc:
        case ExtractionFailed():
            return _Outcome(exc.code, exc.message)
        case FetchError():
            tries = FETCH_TRIES if exc.retryable else 1
            return _Outcome(exc.code, exc.message, tries, 1.5**attempts)
        case Unavailable():
            return _Outcome(exc.wire_code, exc.message, OUTAGE_TRIES, min(2.0 * attempts, 30.0))
        case AppError():
            return _Outcome(exc.wire_code, exc.message)
        case _:
            return _Outcome("poison", _POISON, BUG_TRIES, 2.0 * attempts)


async def _judge(db: Database, notices: Notices, item: ItemRow, exc: Exception) -> None:
    outcome = _outcome(exc, item.attempts)
    if outcome.code == "poison":
        log.error("item_crashed", item=item.id, attempts=item.attempts, exc_info=exc)
    if item.attempts < outcome.tries:
        await _put_back(db, item, outcome.delay, outcome.code)
    else:
        await _fail(db, notices, item, outcome.code, outcome.message)


async def _put_back(db: Database, item: ItemRow, delay: float, why: str) -> None:
    assert item.lease is not None
    log.info("item_put_back", item=item.id, attempts=item.attempts, why=why)
    async with db.transaction(item.account_id) as tx:
        delay *= random.uniform(0.8, 1.2)
        await work.put_back(tx, item.account_id, item.id, item.lease, delay)


async def _fail(db: Database, notices: Notices, item: ItemRow, code: str, message: str) -> None:
    assert item.lease is not None
    async with db.transaction(item.account_id) as tx:
        failed = await work.fail(tx, item.account_id, item.id, item.lease, code, message)
        if failed is not None:
            await notices.indexed(tx, failed)
    if failed is not None:
        ITEMS.labels(item.type, "failed").inc()
        log.info("item_failed", item=item.id, code=code, attempts=item.attempts)
        await notices.changed(failed)

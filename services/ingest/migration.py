"""From one embedding model to another: a second collection filled beside the first.

While it fills, everything new is written to both. Items are gone through in the order of their
ids; the place is kept, so that a restart goes on from there. Then all are gone through again for
what is not there: work that began before the change was known has written to the old collection
alone. When a pass finds nothing, the alias is
switched in one step: readers follow within seconds, and use the embedder that the collection
they read was filled with. The old collection goes after a while.
"""

import asyncio

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import log
from libs.retrieval.passages import point_id
from libs.retrieval.vectors import VectorStore
from services.ingest.dense import Dense
from services.ingest.indexing import Indexer
from services.ingest.store import checks, collections, items
from services.ingest.store.rows import ItemRow
from services.ingest.targets import Target, Targets

INTERVAL = 5.0  # seconds between two looks
BATCH = 50  # items
PASSAGES = 12  # embedded at once
GRACE = 60.0  # seconds that readers may still use the old collection


class Migration:
    def __init__(
        self,
        db: Database,
        store: VectorStore,
        targets: Targets,
        indexer: Indexer,
        dense: Dense,
        *,
        grace: float = GRACE,
    ) -> None:
        self._db = db
        self._store = store
        self._targets = targets
        self._indexer = indexer
        self._dense = dense
        self._grace = grace

    async def run(self) -> None:
        """Fill what is to be filled, until cancelled."""
        while True:
            try:
                await self._drop_retired()
                for target in await self._targets.all():
                    if target.filling and target.embedder is not None:
                        await self._fill(target)
            except (AppError, TimeoutError) as exc:
                log.warning("model_change_waits", reason=str(exc))
            await asyncio.sleep(INTERVAL)

    async def _fill(self, target: Target) -> None:
        cursor = target.cursor
        log.info("model_change", to=target.collection.name, after=cursor)
        while True:
            async with self._db.system() as tx:
                batch = await collections.indexed_after(tx, cursor, BATCH)
            for item in batch:
                await self._copy(target, item)
            if not batch:
                break
            cursor = batch[-1].id
            async with self._db.system() as tx:
                await collections.advance(tx, target.collection.name, cursor)
        if not await self._complete(target):
            await self._switch(target)

    async def _complete(self, target: Target) -> int:
        """Copy the found items that lack points in the new collection; how many there were."""
        cursor, copied = "", 0
        while True:
            async with self._db.system() as tx:
                batch = await collections.indexed_after(tx, cursor, BATCH)
            if not batch:
                return copied
            cursor = batch[-1].id
            for item in batch:
                if not await self._has(target, item):
                    copied += 1
                    await self._copy(target, item)

    async def _has(self, target: Target, item: ItemRow) -> bool:
        async with self._db.transaction(item.account_id) as tx:
            rows = await checks.all_chunks(tx, item.account_id, item.id, item.generation)
        ids = {point_id(item.id, item.generation, row.ordinal) for row in rows}
        return len(await self._store.present(target.collection, list(ids))) == len(ids)

    async def _copy(self, target: Target, item: ItemRow) -> None:
        """An item's found generation, with its new vectors, into the new collection."""
        async with self._db.transaction(item.account_id) as tx:
            rows = await checks.all_chunks(tx, item.account_id, item.id, item.generation)
        for start in range(0, len(rows), PASSAGES):
            part = rows[start : start + PASSAGES]
            vectors = await self._dense.vectors(item, target, part)
            await self._indexer.write(target, item, part, vectors, state="building")
        async with self._db.transaction(item.account_id) as tx:
            now = await items.get(tx, item.account_id, item.id, lock=True)
            if now is None:
                await self._store.remove(
                    target.collection, item.account_id, item.chatbot_id, items=[item.id]
                )
            elif now.generation == item.generation:
                await self._store.publish(
                    target.collection, item.account_id, item.chatbot_id, item.id, item.generation
                )

    async def _switch(self, target: Target) -> None:
        async with self._db.system() as tx:
            await collections.lock(tx)
            await self._store.switch(target.collection)
            for row in await collections.current(tx):
                state = "active" if row.name == target.collection.name else "retired"
                await collections.set_state(tx, row.name, state)
        self._targets.forget()
        log.info("model_changed", to=target.collection.name)
        await asyncio.sleep(self._grace)

    async def _drop_retired(self) -> None:
        live = await self._store.live(fresh=True)
        async with self._db.system() as tx:
            rows = await collections.retired(tx)
        for row in rows:
            if live is not None and row.name != live.name:
                await self._store.drop(row.collection)
                async with self._db.system() as tx:
                    await collections.forget(tx, row.name)

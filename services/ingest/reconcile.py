"""Proof that both stores agree: Postgres with the vector store, both ways, repaired and counted.

Points without a row, of an old generation, or never finished go; found items whose points are
missing are indexed anew from their chunks. What was written in the last minutes is let be.
"""

import asyncio
import random
from collections import Counter

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import log
from libs.retrieval.passages import point_id
from libs.retrieval.vectors import PointRef, VectorStore
from services.ingest.indexing import Indexer
from services.ingest.metrics import RECONCILED
from services.ingest.store import checks
from services.ingest.targets import Target, Targets

START_AFTER = 30.0  # seconds
BATCH = 200  # items


class Reconciler:
    def __init__(
        self, db: Database, store: VectorStore, targets: Targets, indexer: Indexer, *, every: float
    ) -> None:
        self._db = db
        self._store = store
        self._targets = targets
        self._indexer = indexer
        self._every = every

    async def run(self) -> None:
        """Compare from time to time, until cancelled."""
        await asyncio.sleep(min(START_AFTER, self._every) * random.uniform(0.8, 1.2))
        while True:
            try:
                await self.reconcile()
            except (AppError, TimeoutError) as exc:
                log.warning("not_reconciled", reason=str(exc))
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))

    async def reconcile(self) -> Counter[str]:
        """One comparison; what was repaired, by kind."""
        repaired: Counter[str] = Counter()
        for target in await self._targets.all():
            repaired += await self._points(target)
            if not target.filling:
                repaired += await self._items(target)
        async with self._db.system() as tx:
            repaired["orphaned_embeddings"] += await checks.forget_orphans(tx)
        repaired += Counter()  # without zeros
        for kind, count in repaired.items():
            RECONCILED.labels(kind).inc(count)
        if repaired:
            log.warning("reconciled", **repaired)
        return repaired

    async def _points(self, target: Target) -> Counter[str]:
        """Points that no row stands behind."""
        repaired: Counter[str] = Counter()
        async for page in self._store.scan(target.collection):
            async with self._db.system() as tx:
                known = await checks.generations(tx, list({point.item for point in page}))
            wrong = {point.id: kind for point in page if (kind := _wrong(point, known))}
            if wrong:
                await self._store.remove_points(target.collection, list(wrong))
                repaired.update(wrong.values())
        return repaired

    async def _items(self, target: Target) -> Counter[str]:
        """Items that are found, in part or not at all: their missing points are written."""
        repaired: Counter[str] = Counter()
        after = ""
        while True:
            async with self._db.system() as tx:
                items = await checks.settled(tx, after, BATCH)
            if not items:
                return repaired
            after = items[-1].id
            for item in items:
                async with self._db.transaction(item.account_id) as tx:
                    rows = await checks.all_chunks(tx, item.account_id, item.id, item.generation)
                ids = [point_id(item.id, item.generation, row.ordinal) for row in rows]
                there = await self._store.present(target.collection, ids)
                missing = [row for row, id in zip(rows, ids, strict=True) if id not in there]
                if missing:
                    await self._indexer.restore(target, item, missing)
                    repaired["missing_points"] += len(missing)


def _wrong(point: PointRef, known: dict[str, checks.Known]) -> str | None:
    row = known.get(point.item)
    if row is None:
        return "orphaned_points"
    if row.busy:
        return None
    if point.account != row.account_id or point.chatbot != row.chatbot_id:
        return "misplaced_points"
    if point.generation != row.generation or point.state != "live":
        return "stale_points"
    return None

"""Dense vectors follow: batches of passages embedded in the background, accounts in turn."""

import asyncio
import random
from collections.abc import Sequence
from uuid import uuid4

import numpy as np

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import EMBEDDER_SECONDS, log, timed
from libs.retrieval.embed import Vector
from libs.retrieval.passages import point_id
from libs.retrieval.vectors import VectorStore
from services.ingest.faults import reached
from services.ingest.indexing import embedded_text
from services.ingest.metrics import EMBEDDED
from services.ingest.notices import Notices
from services.ingest.store import work
from services.ingest.store.rows import ChunkRow, ItemRow
from services.ingest.targets import Target, Targets

BATCH_LEASES = 3  # times an item's lease: a batch is long, and renews it at its end
TURN = 4  # batches of one item until another account's turn
IDLE = 0.5  # seconds between two looks when nothing is due
PAUSE = 5.0  # seconds after the embedder or the store was away
POSTPONED = 20.0  # seconds until an item whose embedding failed is tried again


class Dense:
    def __init__(
        self,
        db: Database,
        store: VectorStore,
        targets: Targets,
        notices: Notices,
        *,
        lease: float,
    ) -> None:
        self._db = db
        self._store = store
        self._targets = targets
        self._notices = notices
        self._lease = BATCH_LEASES * lease  # seconds
        self._served = ""
        self._under_way: dict[tuple[str, str, bytes], asyncio.Event] = {}

    async def run(self) -> None:
        """Embed what is due, until cancelled. Several may run side by side."""
        while True:
            try:
                async with asyncio.timeout(600):
                    pause = 0.0 if await self._turn() else IDLE
            except (AppError, TimeoutError) as exc:
                log.warning("embedding_waits", reason=str(exc))
                pause = PAUSE
            if pause:
                await asyncio.sleep(pause * random.uniform(0.7, 1.3))

    async def _turn(self) -> bool:
        """Some batches of one item; whether there was any."""
        lease = uuid4().hex
        async with self._db.system() as tx:
            item = await work.claim_dense(tx, lease, self._lease, self._served)
        if item is None:
            return False
        self._served = item.account_id
        try:
            for _ in range(TURN):
                if not await self._batch(item, lease):
                    break
        except AppError:  # others of its account go first, in case it is this item's fault
            async with self._db.transaction(item.account_id) as tx:
                await work.postpone_dense(tx, item.account_id, item.id, lease, POSTPONED)
            raise
        async with self._db.transaction(item.account_id) as tx:
            after = await work.release_dense(tx, item.account_id, item.id, lease)
        if after is not None and after.semantic == "done":
            await self._notices.changed(after)
        return True

    async def _batch(self, item: ItemRow, lease: str) -> bool:
        targets = [target for target in await self._targets.all() if target.embedder is not None]
        size = min((target.embedder.batch for target in targets if target.embedder), default=1)
        async with self._db.transaction(item.account_id) as tx:
            rows = await work.dense_due(tx, item.account_id, item.id, item.generation, size)
        if not rows:
            return False
        for target in targets:
            vectors = await self.vectors(item, target, rows)
            by_point = {
                point_id(item.id, item.generation, row.ordinal): vectors[row.hash] for row in rows
            }
            await self._store.add_dense(target.collection, by_point)
        reached("dense_written")
        async with self._db.transaction(item.account_id) as tx:
            ordinals = [row.ordinal for row in rows]
            await work.mark_dense(tx, item.account_id, item.id, item.generation, ordinals)
            await work.renew_dense(tx, item.account_id, item.id, lease, self._lease)
        return len(rows) == size

    async def vectors(
        self, item: ItemRow, target: Target, rows: Sequence[ChunkRow]
    ) -> dict[bytes, Vector]:
        """Vectors by the hash of their text; each text is embedded at most once an account."""
        texts = {row.hash: embedded_text(item, row) for row in rows}
        keys = [(item.account_id, target.collection.model, hash) for hash in texts]
        while others := {self._under_way[key] for key in keys if key in self._under_way}:
            await asyncio.gather(*(other.wait() for other in others))
        done = asyncio.Event()
        self._under_way |= dict.fromkeys(keys, done)
        try:
            return await self._vectors(item.account_id, target, texts)
        finally:
            for key in keys:
                del self._under_way[key]
            done.set()

    async def _vectors(
        self, account: str, target: Target, texts: dict[bytes, str]
    ) -> dict[bytes, Vector]:
        embedder, model = target.embedder, target.collection.model
        assert embedder is not None
        async with self._db.transaction(account) as tx:
            known = await work.cached(tx, account, model, list(texts))
        found = {hash: np.frombuffer(vector, "<f4") for hash, vector in known.items()}
        missing = {hash: text for hash, text in texts.items() if hash not in found}
        EMBEDDED.labels("cache").inc(len(found))
        if missing:
            with timed(EMBEDDER_SECONDS, "passages"):
                fresh = await embedder.embed_passages(list(missing.values()))
            new = dict(zip(missing, fresh, strict=True))
            raw = {hash: vector.astype("<f4").tobytes() for hash, vector in new.items()}
            async with self._db.transaction(account) as tx:
                await work.cache(tx, account, model, raw)
            found |= new
            EMBEDDED.labels("embedder").inc(len(new))
        return found

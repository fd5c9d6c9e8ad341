"""Where vectors are written: the active collection and, during a change of model, the next."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import log
from libs.retrieval.collection import Collection
from libs.retrieval.embed import Embedder, EmbedderSettings, open_embedder
from libs.retrieval.vectors import VectorStore
from services.ingest.store import collections

KNOWN_FOR = 3.0  # seconds
PREPARED_EVERY = 60.0  # seconds


class Target(msgspec.Struct, frozen=True):
    """A collection with the embedder that fills it; None while that can't be opened."""

    collection: Collection
    embedder: Embedder | None
    filling: bool
    cursor: str = ""


class Targets:
    """Knows the collections; opens their embedders once."""

    def __init__(
        self,
        db: Database,
        store: VectorStore,
        settings: EmbedderSettings,
        configured: Embedder,
        stack: AsyncExitStack,
    ) -> None:
        self._db = db
        self._store = store
        self._settings = settings
        self._stack = stack
        self._embedders: dict[str, Embedder] = {configured.model: configured}
        self._lock = asyncio.Lock()
        self._known: tuple[float, list[Target]] | None = None
        self.configured = configured

    @classmethod
    @asynccontextmanager
    async def open(
        cls, db: Database, store: VectorStore, settings: EmbedderSettings
    ) -> AsyncIterator["Targets"]:
        async with AsyncExitStack() as stack:
            configured = await stack.enter_async_context(open_embedder(settings))
            yield cls(db, store, settings, configured, stack)

    async def prepare(self) -> None:
        """Make the configured model's collection, active when it is the first."""
        wanted = await self._store.ensure(self.configured.model, self.configured.dimensions)
        live = await self._store.live(fresh=True)
        async with self._db.system() as tx:
            await collections.lock(tx)
            rows = await collections.current(tx)
            active = next((row for row in rows if row.state == "active"), None)
            if active is None:
                await collections.register(tx, live or wanted, "active")
            if (active.name if active else (live or wanted).name) != wanted.name:
                await collections.register(tx, wanted, "filling")
        self._known = None

    async def keep(self) -> None:
        """See to it that there is a collection, until cancelled; also after one was lost."""
        while True:
            try:
                await self.prepare()
            except (AppError, TimeoutError) as exc:
                log.warning("collection_not_made", reason=str(exc))
                await asyncio.sleep(1.0)
            else:
                await asyncio.sleep(PREPARED_EVERY)

    async def all(self) -> list[Target]:
        """The active target first."""
        if self._known and time.monotonic() - self._known[0] < KNOWN_FOR:
            return self._known[1]
        async with self._lock:
            rows = await self._rows()
            if not rows:  # the first item of all
                await self.prepare()
                rows = await self._rows()
            targets = [
                Target(
                    row.collection,
                    await self._embedder(row.collection),
                    row.state == "filling",
                    row.cursor,
                )
                for row in rows
            ]
            self._known = (time.monotonic(), targets)
            return targets

    async def _rows(self) -> list[collections.CollectionRow]:
        async with self._db.system() as tx:
            return await collections.current(tx)

    def forget(self) -> None:
        self._known = None

    async def _embedder(self, collection: Collection) -> Embedder | None:
        found = self._embedders.get(collection.model)
        if found is None:
            try:
                found = await self._stack.enter_async_context(
                    open_embedder(self._settings, collection.model)
                )
            except AppError as exc:
                log.warning("embedder_not_opened", model=collection.model, reason=exc.message)
                return None
            self._embedders[collection.model] = found
        return found

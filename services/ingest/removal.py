"""Removals carried to the other stores: vectors in every collection, uploads in the blob store.

A deletion commits rows of ``removals`` with it; they go once the other stores have confirmed.
"""

import asyncio
import random
from typing import Any

from libs.common.blobs import Blobs
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import log
from libs.retrieval.vectors import VectorStore
from services.ingest.metrics import REMOVALS
from services.ingest.sources import upload_key
from services.ingest.store import work

BATCH = 200
NOW_TIMEOUT = 5.0  # seconds
INTERVAL = 2.0  # seconds between two looks


class Removals:
    def __init__(self, db: Database, store: VectorStore, blobs: Blobs) -> None:
        self._db = db
        self._store = store
        self._blobs = blobs
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def now(self) -> None:
        """Carry out what is due before going on; what fails is done later."""
        try:
            async with asyncio.timeout(NOW_TIMEOUT):
                await self.carry_out()
        except (AppError, TimeoutError, OSError) as exc:
            log.warning("removal_later", reason=str(exc))
            self.wake()

    async def run(self) -> None:
        """Carry out what is due, until cancelled."""
        while True:
            try:
                while await self.carry_out() == BATCH:
                    pass
            except (AppError, OSError) as exc:
                log.warning("removals_wait", reason=str(exc))
                await asyncio.sleep(INTERVAL)
            try:
                async with asyncio.timeout(INTERVAL * random.uniform(0.7, 1.3)):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def carry_out(self) -> int:
        async with self._db.system() as tx:
            due = await work.removals(tx, BATCH)
            if due:
                await self._remove(due)
                await work.removed(tx, [row["id"] for row in due])
        REMOVALS.inc(len(due))
        return len(due)

    async def _remove(self, due: list[dict[str, Any]]) -> None:
        by_owner: dict[tuple[str, str | None], list[str | None]] = {}
        for row in due:
            owner = (row["account_id"], row["chatbot_id"])
            by_owner.setdefault(owner, []).append(row["item_id"])
        for collection in await self._store.collections():
            for (account, chatbot), items in by_owner.items():
                listed = None if None in items else [item for item in items if item]
                await self._store.remove(collection, account, chatbot, items=listed)
        uploads = [upload_key(row["account_id"], row["upload"]) for row in due if row["upload"]]
        if uploads:
            await self._blobs.delete(*uploads)

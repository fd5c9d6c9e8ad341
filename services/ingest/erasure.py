"""Erasing a chatbot's or an account's knowledge: rows, vectors, uploads, remembered vectors."""

from libs.common.calls import Erase, Erased
from libs.common.db import Database
from libs.retrieval.vectors import VectorStore
from services.ingest.removal import Removals
from services.ingest.store import items

BATCH = 500  # items a transaction


class Erasure:
    def __init__(self, db: Database, store: VectorStore, removals: Removals) -> None:
        self._db = db
        self._store = store
        self._removals = removals

    async def erase(self, account: str, request: Erase) -> Erased:
        """One bounded step; ``done`` once a look at every store finds nothing left."""
        left = await self._rows(account, request.chatbot_id)
        if left:
            return Erased(done=False, remaining=left)
        await self._removals.carry_out()
        async with self._db.transaction(account) as tx:
            waiting = await items.pending_removals(tx, account, request.chatbot_id)
        if waiting:
            return Erased(done=False, remaining=waiting)
        found = 0
        for collection in await self._store.collections():
            count = await self._store.count(collection, account, request.chatbot_id)
            if count:
                await self._store.remove(collection, account, request.chatbot_id)
            found += count
        return Erased(done=found == 0, remaining=found)

    async def _rows(self, account: str, chatbot: str | None) -> int:
        """Items still there after this step."""
        async with self._db.transaction(account) as tx:
            rows = await items.of_chatbot(tx, account, chatbot, BATCH)
            if rows:
                ids = [row.id for row in rows]
                await items.add_removals(tx, account, ids)
                await items.delete(tx, account, ids)
                await items.add_removal(tx, account, chatbot=chatbot)
            if chatbot is None:
                await items.forget_embeddings(tx, account)
        self._removals.wake()
        return len(rows) if len(rows) == BATCH else 0

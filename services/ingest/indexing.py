"""A document put in place of what was found before.

Chunks and points of a new generation are written beside the old ones; then, with the item's
row locked, the vector store switches to it and the row says so. A crash anywhere leaves the
old version found (or the new one, with its row a moment behind), and a repeat of the job builds
the next generation and removes every other.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from msgspec.structs import replace

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import log
from libs.retrieval.embed import Vector
from libs.retrieval.passages import State, indexed_text, point_id
from libs.retrieval.terms import passage_terms
from libs.retrieval.vectors import NewPoint, VectorStore
from services.ingest.documents import Document
from services.ingest.faults import reached
from services.ingest.notices import Notices
from services.ingest.store import checks, work
from services.ingest.store.rows import ChunkRow, ItemRow, new_chunk_row
from services.ingest.targets import Target, Targets

WRITTEN_AT_ONCE = 256  # points prepared in memory


class LeaseLost(Exception):
    """The item is not ours any more: it was deleted, cancelled, asked anew, or taken over."""


class Indexer:
    def __init__(
        self, db: Database, store: VectorStore, targets: Targets, notices: Notices
    ) -> None:
        self._db = db
        self._store = store
        self._targets = targets
        self._notices = notices

    async def index(self, item: ItemRow, document: Document) -> ItemRow:
        """The item, ready. Raises `LeaseLost`, `VectorStoreAway`, `Unavailable`."""
        lease = item.lease or ""
        item = replace(item, title=document.title, url=document.url)
        generation = item.building
        targets = await self._targets.all()
        rows = [_row(item, generation, document, number) for number in range(len(document.chunks))]
        known = await self._known(item, targets, rows)
        rows = [replace(r, dense=all(r.hash in k for k in known)) for r in rows]
        async with self._db.transaction(item.account_id) as tx:
            if await work.held(tx, item.account_id, item.id, lease) is None:
                raise LeaseLost
            await work.write_chunks(tx, item.account_id, rows)
        reached("chunks_written")
        try:
            for target, vectors in zip(targets, known, strict=True):
                await self.write(target, item, rows, vectors, state="building")
            reached("points_written")
            return await self._switch(item, targets, document, rows)
        except LeaseLost:
            await self._withdraw(item, targets, rows)
            raise

    async def _withdraw(self, item: ItemRow, targets: list[Target], rows: list[ChunkRow]) -> None:
        """Points that will never be found, of an item that may be deleted by now."""
        ids = [point_id(item.id, item.building, row.ordinal) for row in rows]
        try:
            for target in targets:
                await self._store.remove_points(target.collection, ids)
        except AppError as exc:  # the reconciler finds them
            log.warning("points_not_withdrawn", item=item.id, reason=exc.message)

    async def write(
        self,
        target: Target,
        item: ItemRow,
        rows: Sequence[ChunkRow],
        vectors: dict[bytes, Vector],
        *,
        state: State,
    ) -> None:
        for start in range(0, len(rows), WRITTEN_AT_ONCE):
            part = rows[start : start + WRITTEN_AT_ONCE]
            points = await asyncio.to_thread(_points, item, part, vectors, state=state)
            await self._store.write(target.collection, points)

    async def restore(self, target: Target, item: ItemRow, rows: Sequence[ChunkRow]) -> None:
        """Points of a found generation that the store has lost."""
        known = (await self._known(item, [target], list(rows)))[0]
        await self.write(target, item, rows, known, state="live")
        undone = [row.ordinal for row in rows if row.hash not in known]
        if undone:
            async with self._db.transaction(item.account_id) as tx:
                await checks.undo_dense(tx, item.account_id, item.id, item.generation, undone)

    async def _switch(
        self, item: ItemRow, targets: list[Target], document: Document, rows: list[ChunkRow]
    ) -> ItemRow:
        assert item.lease is not None
        async with self._db.transaction(item.account_id) as tx:
            if await work.held(tx, item.account_id, item.id, item.lease) is None:
                raise LeaseLost
            for target in targets:
                await self._store.publish(
                    target.collection, item.account_id, item.chatbot_id, item.id, item.building
                )
            reached("points_published")
            ready = await work.finish(
                tx,
                item.account_id,
                item.id,
                item.lease,
                generation=item.building,
                title=document.title,
                url=document.url,
                chunks=len(rows),
                size=document.size,
                content_hash=document.digest,
                simhash=document.fingerprint,
                numbers=document.numbers,
                etag=document.etag,
                last_modified=document.last_modified,
                semantic="done" if all(row.dense for row in rows) else "pending",
            )
            if ready is None:
                raise LeaseLost
            await self._notices.indexed(tx, ready)
        reached("finished")
        return ready

    async def _known(
        self, item: ItemRow, targets: list[Target], rows: list[ChunkRow]
    ) -> list[dict[bytes, Vector]]:
        """For each target the vectors of texts that were embedded before."""
        hashes = list({row.hash for row in rows})
        async with self._db.transaction(item.account_id) as tx:
            found = [
                await work.cached(tx, item.account_id, target.collection.model, hashes)
                for target in targets
            ]
        return [{h: np.frombuffer(v, "<f4") for h, v in known.items()} for known in found]


def text_hash(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()


def embedded_text(item: ItemRow, row: ChunkRow) -> str:
    return indexed_text(item.title, row.headings, row.question, row.text)


def _row(item: ItemRow, generation: int, document: Document, number: int) -> ChunkRow:
    chunk = document.chunks[number]
    return new_chunk_row(item.id, generation, chunk, text_hash(chunk.indexed(document.title)))


def _points(
    item: ItemRow, rows: Sequence[ChunkRow], vectors: dict[bytes, Vector], *, state: State
) -> list[NewPoint]:
    return [
        NewPoint(
            row.stored(item, state=state),
            passage_terms(embedded_text(item, row), row.language),
            vectors.get(row.hash),
        )
        for row in rows
    ]

"""Rows as they come from the database."""

import builtins
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from libs.common.calls import Item, ItemError, Progress
from libs.retrieval.passages import State, StoredPassage
from services.ingest.chunk import Chunk


class ItemRow(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    account_id: str
    chatbot_id: str
    type: str
    source: str | None
    title: str
    own_title: bool
    content: Any
    status: str
    stage: str
    semantic: str
    found: int
    fetched: int
    indexed: int
    failed: int
    chunks: int
    bytes: int
    error_code: str | None
    error_message: str | None
    attempts: int
    crashes: int
    refresh: str
    refresh_at: datetime | None
    parent_id: str | None
    generation: int
    building: int
    version: int
    content_hash: "builtins.bytes | None"
    simhash: int | None
    numbers: int | None
    etag: str | None
    last_modified: str | None
    url: str | None
    options: Any
    run: int
    missed: int
    cancelled: bool
    lease: str | None
    lease_until: datetime | None
    due_at: datetime
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None

    def public(self) -> Item:
        error = None
        if self.error_code:
            error = ItemError(code=self.error_code, message=self.error_message or "")
        return Item(
            id=self.id,
            chatbot_id=self.chatbot_id,
            type=self.type,  # pyright: ignore[reportArgumentType]
            source=self.source,
            title=self.title,
            status=self.status,  # pyright: ignore[reportArgumentType]
            stage=self.stage,
            semantic=self.semantic,  # pyright: ignore[reportArgumentType]
            progress=Progress(
                found=self.found, fetched=self.fetched, indexed=self.indexed, failed=self.failed
            ),
            chunks=self.chunks,
            error=error,
            attempts=self.attempts,
            refresh=self.refresh,  # pyright: ignore[reportArgumentType]
            parent_id=self.parent_id,
            created_at=self.created_at,
            updated_at=self.updated_at,
            indexed_at=self.indexed_at,
        )


ITEM_COLUMNS: LiteralString = (
    "id, account_id, chatbot_id, type, source, title, own_title, content, status, stage, "
    "semantic, found, fetched, indexed, failed, chunks, bytes, error_code, "
    "error_message, attempts, crashes, refresh, refresh_at, parent_id, generation, "
    "building, version, content_hash, simhash, numbers, etag, last_modified, url, options, run, "
    "missed, cancelled, lease, lease_until, due_at, created_at, updated_at, indexed_at"
)


def item_row(row: dict[str, Any]) -> ItemRow:
    hash = row["content_hash"]
    return ItemRow(**{**row, "content_hash": bytes(hash) if hash is not None else None})


class ChunkRow(msgspec.Struct, frozen=True, kw_only=True):
    item_id: str
    generation: int
    ordinal: int
    kind: str
    text: str
    headings: list[str]
    question: str | None
    page: int | None
    tokens: int
    language: str
    hash: bytes
    dense: bool

    def stored(self, item: ItemRow, *, state: State) -> StoredPassage:
        return StoredPassage(
            account=item.account_id,
            chatbot=item.chatbot_id,
            item=item.id,
            generation=self.generation,
            ordinal=self.ordinal,
            state=state,
            kind=self.kind,  # pyright: ignore[reportArgumentType]
            text=self.text,
            title=item.title,
            url=item.url,
            page=self.page,
            headings=self.headings,
            question=self.question,
            language=self.language,
        )


CHUNK_COLUMNS: LiteralString = (
    "item_id, generation, ordinal, kind, text, headings, question, page, tokens, "
    "language, hash, dense"
)


def chunk_row(row: dict[str, Any]) -> ChunkRow:
    return ChunkRow(**{**row, "hash": bytes(row["hash"])})


def new_chunk_row(item: str, generation: int, chunk: Chunk, hash: bytes) -> ChunkRow:
    return ChunkRow(
        item_id=item,
        generation=generation,
        ordinal=chunk.ordinal,
        kind=chunk.kind,
        text=chunk.text,
        headings=chunk.headings,
        question=chunk.question,
        page=chunk.page,
        tokens=chunk.tokens,
        language=chunk.language,
        hash=hash,
        dense=False,
    )

"""What the reconciler compares. Across accounts."""

from collections.abc import Sequence

import msgspec

from libs.common.db import Tx
from services.ingest.store.rows import (
    CHUNK_COLUMNS,
    ITEM_COLUMNS,
    ChunkRow,
    ItemRow,
    chunk_row,
    item_row,
)


class Known(msgspec.Struct, frozen=True):
    """What a point's item is. ``busy``: being worked on, or was a moment ago."""

    account_id: str
    chatbot_id: str
    generation: int
    busy: bool


_BUSY = "(status in ('pending', 'processing') or updated_at > now() - interval '1 minute')"


async def generations(tx: Tx, ids: Sequence[str]) -> dict[str, Known]:
    cursor = await tx.execute(
        f"select id, account_id, chatbot_id, generation, {_BUSY} as busy from items"
        " where id = any(%s)",
        (list(ids),),
    )
    return {row.pop("id"): Known(**row) for row in await cursor.fetchall()}


async def settled(tx: Tx, after: str, limit: int) -> list[ItemRow]:
    """Items that are found and at rest."""
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where generation > 0 and not {_BUSY} and id > %s"
        " order by id limit %s",
        (after, limit),
    )
    return [item_row(row) for row in await cursor.fetchall()]


async def all_chunks(tx: Tx, account: str, id: str, generation: int) -> list[ChunkRow]:
    cursor = await tx.execute(
        f"select {CHUNK_COLUMNS} from chunks where account_id = %s and item_id = %s"
        " and generation = %s order by ordinal",
        (account, id, generation),
    )
    return [chunk_row(row) for row in await cursor.fetchall()]


async def undo_dense(
    tx: Tx, account: str, id: str, generation: int, ordinals: Sequence[int]
) -> None:
    """Their dense vectors have to be written again."""
    await tx.execute(
        "update chunks set dense = false where account_id = %s and item_id = %s"
        " and generation = %s and ordinal = any(%s)",
        (account, id, generation, list(ordinals)),
    )
    await tx.execute(
        "update items set semantic = 'pending' where account_id = %s and id = %s"
        " and generation = %s",
        (account, id, generation),
    )


async def forget_orphans(tx: Tx) -> int:
    """Vectors kept for accounts that have no knowledge any more, and of long ago."""
    cursor = await tx.execute(
        "delete from embeddings e where used_at < now() - interval '1 hour' and (not exists"
        " (select 1 from items i where i.account_id = e.account_id)"
        " or used_at < now() - interval '180 days')"
    )
    return cursor.rowcount

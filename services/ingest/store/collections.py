"""Which collections there are, and how far a new one is filled. Across accounts."""

import msgspec

from libs.common.db import Tx
from libs.retrieval.collection import Collection
from services.ingest.store.rows import ITEM_COLUMNS, ItemRow, item_row


class CollectionRow(msgspec.Struct, frozen=True):
    name: str
    model: str
    dimensions: int
    state: str
    cursor: str

    @property
    def collection(self) -> Collection:
        return Collection(self.name, self.model, self.dimensions)


async def current(tx: Tx) -> list[CollectionRow]:
    """Those that are written to, the active one first."""
    cursor = await tx.execute(
        "select name, model, dimensions, state, cursor from collections"
        " where state in ('active', 'filling') order by state = 'active' desc, created_at"
    )
    return [CollectionRow(**row) for row in await cursor.fetchall()]


async def register(tx: Tx, collection: Collection, state: str) -> None:
    await tx.execute(
        "insert into collections (name, model, dimensions, state) values (%s, %s, %s, %s)"
        " on conflict (name) do update set state = case"
        "   when collections.state = 'retired' then excluded.state else collections.state end,"
        " cursor = case when collections.state = 'retired' then '' else collections.cursor end",
        (collection.name, collection.model, collection.dimensions, state),
    )


async def lock(tx: Tx) -> None:
    """One at a time decides about collections."""
    await tx.execute("select pg_advisory_xact_lock(hashtext('ingest.collections'))")


async def set_state(tx: Tx, name: str, state: str) -> None:
    await tx.execute("update collections set state = %s where name = %s", (state, name))


async def advance(tx: Tx, name: str, cursor: str) -> None:
    await tx.execute("update collections set cursor = %s where name = %s", (cursor, name))


async def retired(tx: Tx) -> list[CollectionRow]:
    cursor = await tx.execute(
        "select name, model, dimensions, state, cursor from collections where state = 'retired'"
    )
    return [CollectionRow(**row) for row in await cursor.fetchall()]


async def forget(tx: Tx, name: str) -> None:
    await tx.execute("delete from collections where name = %s and state = 'retired'", (name,))


async def indexed_after(tx: Tx, cursor: str, limit: int) -> list[ItemRow]:
    """Items that are found, in the order of their ids."""
    found = await tx.execute(
        f"select {ITEM_COLUMNS} from items where generation > 0 and id > %s order by id limit %s",
        (cursor, limit),
    )
    return [item_row(row) for row in await found.fetchall()]

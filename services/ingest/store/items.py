"""Items as their owners see them."""

from collections.abc import Sequence
from typing import Any, LiteralString, cast

from psycopg.types.json import Jsonb

from libs.common import pages
from libs.common.calls import Pagination
from libs.common.db import Tx
from libs.common.errors import Unavailable
from services.ingest.store.rows import (
    CHUNK_COLUMNS,
    ITEM_COLUMNS,
    ChunkRow,
    ItemRow,
    chunk_row,
    item_row,
)


async def insert(
    tx: Tx,
    account: str,
    *,
    id: str,
    chatbot: str,
    type: str,
    source: str | None = None,
    title: str = "",
    own_title: bool = False,
    content: Any = None,
    refresh: str = "never",
    options: Any = None,
    bytes: int = 0,
    error: tuple[str, str] | None = None,
    once: str = "",
) -> tuple[ItemRow, bool]:
    """A new item, waiting for a worker; or failed from the start with ``error``; and whether it
    is new: under ``once`` there may be one already, of the same request.
    """
    code, message = error or (None, None)
    cursor = await tx.execute(
        "insert into items (id, account_id, chatbot_id, type, source, title, own_title, content,"
        " refresh, options, bytes, status, stage, error_code, error_message, once)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (account_id, once) where once is not null do nothing"
        f" returning {ITEM_COLUMNS}",
        (
            id,
            account,
            chatbot,
            type,
            source,
            title,
            own_title,
            Jsonb(content) if content is not None else None,
            refresh,
            Jsonb(options) if options is not None else None,
            bytes,
            "failed" if error else "pending",
            "failed" if error else "queued",
            code,
            message,
            once or None,
        ),
    )
    if (row := await cursor.fetchone()) is not None:
        return item_row(row), True
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where account_id = %s and once = %s", (account, once)
    )
    row = await cursor.fetchone()
    if row is None:  # made and deleted again while this one waited
        raise Unavailable("The item was deleted meanwhile; send it again.")
    return item_row(row), False


async def get(tx: Tx, account: str, id: str, *, lock: bool = False) -> ItemRow | None:
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where account_id = %s and id = %s"
        + (" for update" if lock else ""),
        (account, id),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def page(
    tx: Tx,
    account: str,
    *,
    chatbot: str | None,
    status: str | None,
    type: str | None,
    parent: str | None,
    text: str | None,
    cursor: str | None,
    limit: int,
) -> tuple[list[ItemRow], Pagination]:
    """Newest first. Raises `BadRequest` for a cursor that is not ours."""
    rows, pagination = await pages.page(
        tx,
        f"select {ITEM_COLUMNS} from items where account_id = %(account)s"
        " and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        " and (%(status)s::text is null or status = %(status)s)"
        " and (%(type)s::text is null or type = %(type)s)"
        " and (%(parent)s::text is null or parent_id = %(parent)s"
        "      or (%(parent)s = 'none' and parent_id is null))"
        " and (%(text)s::text is null or position(lower(%(text)s) in"
        "      lower(title || ' ' || coalesce(source, ''))) > 0)"
        " and (%(before)s::text is null or id < %(before)s)"
        " order by id desc limit %(rows)s",
        {
            "account": account,
            "chatbot": chatbot,
            "status": status,
            "type": type,
            "parent": parent,
            "text": text,
            "before": pages.decode(cursor),
        },
        limit,
    )
    return [item_row(row) for row in rows], pagination


async def update(tx: Tx, account: str, id: str, **values: Any) -> ItemRow | None:
    """Set columns by name; the names are ours, never a request's."""
    assert all(name.isidentifier() for name in values)
    sets = ", ".join(f"{name} = %({name})s" for name in values)
    cursor = await tx.execute(
        cast(
            "LiteralString",
            f"update items set {sets}, updated_at = now()"
            f" where account_id = %(account_)s and id = %(id_)s returning {ITEM_COLUMNS}",
        ),
        {**values, "account_": account, "id_": id},
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def requeue(tx: Tx, account: str, id: str) -> ItemRow | None:
    """Have an item worked on anew, from the start, whoever is at it now."""
    cursor = await tx.execute(
        "update items set status = 'pending', stage = 'queued', error_code = null,"
        " error_message = null, attempts = 0, crashes = 0, cancelled = false, lease = null,"
        " lease_until = null, due_at = now(), version = version + 1, updated_at = now(),"
        " run = run + case when type = 'crawl' then 1 else 0 end"
        f" where account_id = %s and id = %s returning {ITEM_COLUMNS}",
        (account, id),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def family(tx: Tx, account: str, id: str) -> list[ItemRow]:
    """An item with the pages under it, locked against those who work on them."""
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where account_id = %s and (id = %s or parent_id = %s)"
        " order by id for update",
        (account, id, id),
    )
    return [item_row(row) for row in await cursor.fetchall()]


async def delete(tx: Tx, account: str, ids: Sequence[str]) -> None:
    """Items with their chunks, and the remembered vectors of texts that nothing else has."""
    await tx.execute(
        "delete from embeddings e using chunks c where c.account_id = %(account)s"
        " and c.item_id = any(%(ids)s) and e.account_id = %(account)s and e.hash = c.hash"
        " and not exists (select 1 from chunks o where o.account_id = %(account)s"
        "   and o.hash = c.hash and o.item_id <> all(%(ids)s))",
        {"account": account, "ids": list(ids)},
    )
    await tx.execute(
        "delete from items where account_id = %s and id = any(%s)", (account, list(ids))
    )


async def add_removal(
    tx: Tx,
    account: str,
    *,
    chatbot: str | None,
    item: str | None = None,
    upload: str | None = None,
) -> None:
    await tx.execute(
        "insert into removals (account_id, chatbot_id, item_id, upload) values (%s, %s, %s, %s)",
        (account, chatbot, item, upload),
    )


async def add_removals(tx: Tx, account: str, ids: Sequence[str]) -> None:
    """What has to go with these items from the other stores; an upload with the last that names it."""
    await tx.execute(
        "insert into removals (account_id, chatbot_id, item_id, upload)"
        " select account_id, chatbot_id, id, case when type = 'document' and not exists"
        "   (select 1 from items o where o.account_id = %(account)s and o.type = 'document'"
        "    and o.source = i.source and o.id <> all(%(ids)s)) then source end"
        " from items i where account_id = %(account)s and id = any(%(ids)s)",
        {"account": account, "ids": list(ids)},
    )


async def chunks(
    tx: Tx, account: str, id: str, generation: int, *, cursor: str | None, limit: int
) -> tuple[list[ChunkRow], Pagination]:
    """In reading order. Raises `BadRequest` for a cursor that is not ours."""
    rows, pagination = await pages.page(
        tx,
        f"select {CHUNK_COLUMNS} from chunks where account_id = %(account)s and item_id = %(id)s"
        " and generation = %(generation)s and ordinal > %(after)s order by ordinal limit %(rows)s",
        {
            "account": account,
            "id": id,
            "generation": generation,
            "after": pages.decode_number(cursor, before=-1),
        },
        limit,
        lambda row: str(row["ordinal"]),
    )
    return [chunk_row(row) for row in rows], pagination


async def usage(tx: Tx, account: str) -> dict[str, int]:
    cursor = await tx.execute(
        "select count(*) filter (where parent_id is null)::int as items,"
        " count(*) filter (where parent_id is not null)::int as pages,"
        " coalesce(sum(chunks), 0)::int as chunks, coalesce(sum(bytes), 0)::bigint as bytes,"
        " coalesce((select sum(greatest(0, (c.options->>'max_pages')::int - (select count(*)"
        "   from items p where p.account_id = c.account_id and p.parent_id = c.id))) from items c"
        "  where c.account_id = %(account)s and c.type = 'crawl'"
        "  and c.status in ('pending', 'processing')), 0)::int as promised"
        " from items where account_id = %(account)s",
        {"account": account},
    )
    row = await cursor.fetchone()
    assert row is not None
    return dict(row)


async def of_chatbot(tx: Tx, account: str, chatbot: str | None, limit: int) -> list[ItemRow]:
    """Items to erase, a batch at a time; of the whole account when ``chatbot`` is None."""
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where account_id = %(account)s"
        " and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)"
        " order by id limit %(limit)s for update",
        {"account": account, "chatbot": chatbot, "limit": limit},
    )
    return [item_row(row) for row in await cursor.fetchall()]


async def forget_embeddings(tx: Tx, account: str) -> None:
    await tx.execute("delete from embeddings where account_id = %s", (account,))


async def pending_removals(tx: Tx, account: str, chatbot: str | None) -> int:
    cursor = await tx.execute(
        "select count(*)::int as n from removals where account_id = %(account)s"
        " and (%(chatbot)s::text is null or chatbot_id = %(chatbot)s)",
        {"account": account, "chatbot": chatbot},
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


def json(value: Any) -> Jsonb:
    """A value for a JSON column."""
    return Jsonb(value)

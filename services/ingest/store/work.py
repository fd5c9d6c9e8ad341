"""Items as workers see them: claiming, keeping, finishing. Across accounts unless said."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

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

_DUE = (
    "status in ('pending', 'processing') and due_at <= now()"
    " and (lease_until is null or lease_until < now())"
)


# The pages of a crawl that is at work are that crawl's.
_NO_CRAWL = (
    "type <> 'crawl' and (parent_id is null or not exists (select 1 from items p"
    " where p.id = i.parent_id and p.status in ('pending', 'processing')))"
)


async def claim(tx: Tx, lease: str, seconds: float, *, crawls: bool) -> ItemRow | None:
    """The next due item, now ours for ``seconds``; fair between accounts.

    The account with the fewest items in work comes first, then the one that waits longest; so
    however much one account queues, another's item is next but a few.
    """
    kind = "type = 'crawl'" if crawls else _NO_CRAWL
    cursor = await tx.execute(
        f"""
        with recursive waiting as (
          (select i.account_id from items i where {_DUE} and {kind} order by i.account_id limit 1)
          union all
          select (select i.account_id from items i where {_DUE} and {kind}
                  and i.account_id > w.account_id order by i.account_id limit 1)
          from waiting w where w.account_id is not null
        ), running as (
          select i.account_id, count(*) as n from items i
          where i.lease is not null and i.lease_until > now() and {kind} group by i.account_id
        ), next as (
          select first.id from waiting w
          cross join lateral (
            select i.id, i.due_at from items i where i.account_id = w.account_id
            and {_DUE} and {kind} order by i.due_at, i.id limit 1
          ) first
          left join running r on r.account_id = w.account_id
          where w.account_id is not null
          order by coalesce(r.n, 0), first.due_at limit 1
        )
        update items set status = 'processing', stage = 'starting', lease = %s,
          lease_until = now() + %s, attempts = attempts + 1,
          crashes = crashes + (status = 'processing')::int,
          building = greatest(building, generation) + 1, updated_at = now()
        where id = (select id from next) and {_DUE}
        returning {ITEM_COLUMNS}
        """,
        (lease, timedelta(seconds=seconds)),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def due_count(tx: Tx) -> int:
    cursor = await tx.execute(f"select count(*)::int as n from items where {_DUE}")
    row = await cursor.fetchone()
    return row["n"] if row else 0


async def renew(tx: Tx, lease: str, seconds: float) -> bool:
    """Keep what is held under a lease; False once its item was taken away or cancelled."""
    cursor = await tx.execute(
        "update items set lease_until = now() + %s where lease = %s returning cancelled",
        (timedelta(seconds=seconds), lease),
    )
    rows = await cursor.fetchall()
    return bool(rows) and not any(row["cancelled"] for row in rows)


async def held(tx: Tx, account: str, id: str, lease: str) -> ItemRow | None:
    """The item, locked, if it is still ours."""
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where account_id = %s and id = %s and lease = %s"
        " and not cancelled for update",
        (account, id, lease),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def set_stage(tx: Tx, account: str, id: str, lease: str, stage: str) -> bool:
    cursor = await tx.execute(
        "update items set stage = %s, updated_at = now()"
        " where account_id = %s and id = %s and lease = %s and not cancelled",
        (stage, account, id, lease),
    )
    return cursor.rowcount == 1


async def put_back(tx: Tx, account: str, id: str, lease: str, delay: float) -> None:
    """Give an item up for another try later."""
    await tx.execute(
        "update items set status = 'pending', stage = 'queued', lease = null, lease_until = null,"
        " due_at = now() + %s, updated_at = now()"
        " where account_id = %s and id = %s and lease = %s",
        (timedelta(seconds=delay), account, id, lease),
    )


async def make_room(tx: Tx, account: str, id: str, lease: str) -> None:
    """Go to the end of the line; that is no failed attempt."""
    await tx.execute(
        "update items set status = 'pending', stage = 'queued', lease = null, lease_until = null,"
        " attempts = 0, due_at = now(), updated_at = now()"
        " where account_id = %s and id = %s and lease = %s",
        (account, id, lease),
    )


async def fail(
    tx: Tx, account: str, id: str, lease: str, code: str, message: str
) -> ItemRow | None:
    """The end of an attempt. What was indexed before stays found."""
    cursor = await tx.execute(
        "update items set status = 'failed', stage = 'failed', error_code = %s,"
        " error_message = %s, failed = case when type = 'crawl' then failed else 1 end,"
        " missed = missed + 1, lease = null, lease_until = null, updated_at = now(),"
        " refresh_at = case refresh when 'daily' then now() + interval '1 day'"
        "   when 'weekly' then now() + interval '7 days' end"
        f" where account_id = %s and id = %s and lease = %s returning {ITEM_COLUMNS}",
        (code, message, account, id, lease),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def write_chunks(tx: Tx, account: str, rows: Sequence[ChunkRow]) -> None:
    """The chunks of a generation that is being built; a repeat replaces them."""
    if not rows:
        return
    await tx.execute(
        "delete from chunks where account_id = %s and item_id = %s and generation = %s",
        (account, rows[0].item_id, rows[0].generation),
    )
    async with tx.cursor() as cursor:  # COPY does not work with row-level security
        await cursor.executemany(
            f"insert into chunks (account_id, {CHUNK_COLUMNS})"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [(account, *msgspec.structs.astuple(row)) for row in rows],
        )


async def finish(
    tx: Tx,
    account: str,
    id: str,
    lease: str,
    *,
    generation: int,
    title: str,
    url: str | None,
    chunks: int,
    size: int,
    content_hash: bytes,
    simhash: int | None,
    numbers: int | None,
    etag: str | None,
    last_modified: str | None,
    semantic: str,
) -> ItemRow | None:
    """The new generation is what is found from now on; the old one's chunks go."""
    cursor = await tx.execute(
        "update items set status = 'ready', stage = 'ready', generation = %(generation)s,"
        " title = %(title)s, url = %(url)s, chunks = %(chunks)s, bytes = %(size)s,"
        " content_hash = %(hash)s, simhash = %(simhash)s, numbers = %(numbers)s, etag = %(etag)s,"
        " last_modified = %(modified)s, semantic = %(semantic)s, error_code = null,"
        " error_message = null, found = 1, fetched = 1, indexed = 1, failed = 0, missed = 0, crashes = 0,"
        " lease = null, lease_until = null, indexed_at = now(), updated_at = now(),"
        " refresh_at = case refresh when 'daily' then now() + interval '1 day'"
        "   when 'weekly' then now() + interval '7 days' end"
        " where account_id = %(account)s and id = %(id)s and lease = %(lease)s"
        f" returning {ITEM_COLUMNS}",
        {
            "generation": generation,
            "title": title,
            "url": url,
            "chunks": chunks,
            "size": size,
            "hash": content_hash,
            "simhash": simhash,
            "numbers": numbers,
            "etag": etag,
            "modified": last_modified,
            "semantic": semantic,
            "account": account,
            "id": id,
            "lease": lease,
        },
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    await tx.execute(
        "delete from chunks where account_id = %s and item_id = %s and generation <> %s",
        (account, id, generation),
    )
    return item_row(row)


async def unchanged(
    tx: Tx, account: str, id: str, lease: str, *, etag: str | None, last_modified: str | None
) -> ItemRow | None:
    """Looked at again and found as it was: nothing is written anew."""
    cursor = await tx.execute(
        "update items set status = 'ready', stage = 'ready', error_code = null,"
        " error_message = null, found = 1, fetched = 1, indexed = 1, failed = 0, missed = 0, crashes = 0,"
        " etag = coalesce(%s, etag), last_modified = coalesce(%s, last_modified),"
        " lease = null, lease_until = null, updated_at = now(),"
        " refresh_at = case refresh when 'daily' then now() + interval '1 day'"
        "   when 'weekly' then now() + interval '7 days' end"
        f" where account_id = %s and id = %s and lease = %s returning {ITEM_COLUMNS}",
        (etag, last_modified, account, id, lease),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def due_refreshes(tx: Tx, limit: int) -> list[ItemRow]:
    """Items whose scheduled look at the source has come."""
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where refresh_at <= now()"
        " and status in ('ready', 'failed') order by refresh_at limit %s for update skip locked",
        (limit,),
    )
    return [item_row(row) for row in await cursor.fetchall()]


# -- vectors that follow ---------------------------------------------------------------------


async def claim_dense(tx: Tx, lease: str, seconds: float, served: str) -> ItemRow | None:
    """An item whose dense vectors are due; accounts take turns after ``served``."""
    due = (
        "semantic = 'pending' and generation > 0"
        " and (dense_lease_until is null or dense_lease_until < now())"
    )
    cursor = await tx.execute(
        f"""
        with next as (
          select i.id from items i where {due} and i.account_id > %(served)s
          order by i.account_id, i.indexed_at limit 1
        ), wrapped as (
          select i.id from items i where {due} order by i.account_id, i.indexed_at limit 1
        )
        update items set dense_lease = %(lease)s, dense_lease_until = now() + %(term)s
        where id = coalesce((select id from next), (select id from wrapped)) and {due}
        returning {ITEM_COLUMNS}
        """,
        {"served": served, "lease": lease, "term": timedelta(seconds=seconds)},
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def dense_due(tx: Tx, account: str, id: str, generation: int, limit: int) -> list[ChunkRow]:
    cursor = await tx.execute(
        f"select {CHUNK_COLUMNS} from chunks where account_id = %s and item_id = %s"
        " and generation = %s and not dense order by ordinal limit %s",
        (account, id, generation, limit),
    )
    return [chunk_row(row) for row in await cursor.fetchall()]


async def mark_dense(
    tx: Tx, account: str, id: str, generation: int, ordinals: Sequence[int]
) -> None:
    await tx.execute(
        "update chunks set dense = true where account_id = %s and item_id = %s"
        " and generation = %s and ordinal = any(%s)",
        (account, id, generation, list(ordinals)),
    )


async def renew_dense(tx: Tx, account: str, id: str, lease: str, seconds: float) -> None:
    """One batch of a turn is done; the next has as long."""
    await tx.execute(
        "update items set dense_lease_until = now() + %s"
        " where account_id = %s and id = %s and dense_lease = %s",
        (timedelta(seconds=seconds), account, id, lease),
    )


async def postpone_dense(tx: Tx, account: str, id: str, lease: str, seconds: float) -> None:
    """Let others go first."""
    await tx.execute(
        "update items set dense_lease = null, dense_lease_until = now() + %s"
        " where account_id = %s and id = %s and dense_lease = %s",
        (timedelta(seconds=seconds), account, id, lease),
    )


async def release_dense(tx: Tx, account: str, id: str, lease: str) -> ItemRow | None:
    """Give the item back; `done` when nothing is left to embed."""
    cursor = await tx.execute(
        "update items set dense_lease = null, dense_lease_until = null,"
        " semantic = case when exists (select 1 from chunks c where c.item_id = items.id"
        "   and c.generation = items.generation and not c.dense) then 'pending' else 'done' end"
        f" where account_id = %s and id = %s and dense_lease = %s returning {ITEM_COLUMNS}",
        (account, id, lease),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    item = item_row(row)
    if item.parent_id is not None and item.semantic == "done":
        await settle_parent(tx, account, item.parent_id)
    return item


async def settle_parent(tx: Tx, account: str, id: str) -> None:
    """A crawl is found by meaning once all its pages are."""
    await tx.execute(
        "update items set semantic = 'done' where account_id = %(account)s and id = %(id)s"
        " and status = 'ready' and not exists (select 1 from items page where"
        " page.account_id = %(account)s and page.parent_id = %(id)s"
        " and page.semantic = 'pending' and page.generation > 0)",
        {"account": account, "id": id},
    )


async def cached(tx: Tx, account: str, model: str, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """Vectors that are known for texts."""
    cursor = await tx.execute(
        "update embeddings set used_at = now() where account_id = %s and model = %s"
        " and hash = any(%s) returning hash, vector",
        (account, model, list(hashes)),
    )
    return {bytes(row["hash"]): bytes(row["vector"]) for row in await cursor.fetchall()}


async def cache(tx: Tx, account: str, model: str, vectors: dict[bytes, bytes]) -> None:
    async with tx.cursor() as cursor:
        await cursor.executemany(
            "insert into embeddings (account_id, model, hash, vector) values (%s, %s, %s, %s)"
            " on conflict (account_id, model, hash) do update set used_at = now()",
            [(account, model, hash, vector) for hash, vector in sorted(vectors.items())],
        )


# -- removals --------------------------------------------------------------------------------


async def removals(tx: Tx, limit: int) -> list[dict[str, Any]]:
    """What is due for removal elsewhere, claimed for this transaction."""
    cursor = await tx.execute(
        "select id, account_id, chatbot_id, item_id, upload from removals"
        " order by id limit %s for update skip locked",
        (limit,),
    )
    return [dict(row) for row in await cursor.fetchall()]


async def removed(tx: Tx, ids: Sequence[int]) -> None:
    await tx.execute("delete from removals where id = any(%s)", (list(ids),))

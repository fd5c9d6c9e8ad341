"""Crawls: the row of the crawl itself, the pages it knows, and the items they became."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from libs.common.db import Tx
from services.ingest.store.rows import ITEM_COLUMNS, ItemRow, item_row

_INTERVALS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}


class PageRow(msgspec.Struct, frozen=True):
    """An address that a crawl has to look at."""

    url: str
    depth: int
    tries: int
    item_id: str | None
    reason: str | None
    links: list[str]


_PAGE = "url, depth, tries, item_id, reason, links"


class Counts(msgspec.Struct, frozen=True):
    """Addresses of a run by state."""

    found: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    waiting: int = 0


def next_refresh(refresh: str) -> datetime | None:
    interval = _INTERVALS.get(refresh)
    return datetime.now(UTC) + interval if interval else None


async def cancel(tx: Tx, account: str, id: str) -> ItemRow | None:
    """Stop work on an item; what it held is let go of."""
    cursor = await tx.execute(
        "update items set cancelled = true, lease = null, lease_until = null,"
        " status = case when generation > 0 or indexed > 0 then 'ready' else 'failed' end,"
        " stage = 'cancelled',"
        " error_code = case when generation > 0 or indexed > 0 then null else 'cancelled' end,"
        " error_message = case when generation > 0 or indexed > 0 then null"
        "   else 'This was cancelled before anything was indexed.' end,"
        f" updated_at = now() where account_id = %s and id = %s returning {ITEM_COLUMNS}",
        (account, id),
    )
    row = await cursor.fetchone()
    await tx.execute(
        "update items set cancelled = true, lease = null, lease_until = null,"
        " status = case when generation > 0 then 'ready' else 'failed' end, stage = 'cancelled',"
        " error_code = case when generation > 0 then null else 'cancelled' end,"
        " error_message = case when generation > 0 then null else 'The crawl was cancelled.' end"
        " where account_id = %s and parent_id = %s and status in ('pending', 'processing')",
        (account, id),
    )
    return item_row(row) if row else None


# -- the frontier ----------------------------------------------------------------------------


async def resume(tx: Tx, account: str, crawl: str) -> None:
    """Pages that a dead worker had in hand are to be looked at again."""
    await tx.execute(
        "update pages set state = 'waiting' where account_id = %s and crawl_id = %s"
        " and state = 'taken'",
        (account, crawl),
    )


async def discover(
    tx: Tx, account: str, crawl: str, run: int, urls: Sequence[str], depth: int, room: int
) -> int:
    """Addresses to look at in this run, as far as there is room; returns how many were new."""
    if room <= 0 or not urls:
        return 0
    cursor = await tx.execute(
        """
        with wanted as (
          select u.url, u.position from unnest(%(urls)s::text[]) with ordinality as u(url, position)
          left join pages p on p.crawl_id = %(crawl)s and p.url = u.url
          where p.url is null or p.run < %(run)s
          order by u.position limit %(room)s
        )
        insert into pages (account_id, crawl_id, url, depth, run)
        select %(account)s, %(crawl)s, url, %(depth)s, %(run)s from wanted order by position
        on conflict (crawl_id, url) do update
          set run = excluded.run, depth = excluded.depth, state = 'waiting', tries = 0,
              due_at = now()
          where pages.run < excluded.run
        """,
        {
            "urls": list(urls),
            "crawl": crawl,
            "run": run,
            "room": room,
            "account": account,
            "depth": depth,
        },
    )
    return cursor.rowcount


async def take(tx: Tx, account: str, crawl: str, run: int) -> PageRow | None:
    """The next address that is due, nearest to the start first."""
    cursor = await tx.execute(
        "update pages set state = 'taken', tries = tries + 1 where crawl_id = %(crawl)s"
        " and url = (select url from pages where account_id = %(account)s"
        "   and crawl_id = %(crawl)s and run = %(run)s and state = 'waiting' and due_at <= now()"
        "   order by depth, seq limit 1)"
        f" returning {_PAGE}",
        {"account": account, "crawl": crawl, "run": run},
    )
    row = await cursor.fetchone()
    return PageRow(**row) if row else None


async def take_this(
    tx: Tx, account: str, crawl: str, run: int, url: str, depth: int
) -> PageRow | None:
    """One address in particular, unless it was looked at in this run or is in hand."""
    cursor = await tx.execute(
        "insert into pages (account_id, crawl_id, url, depth, run, state, tries)"
        " values (%s, %s, %s, %s, %s, 'taken', 1)"
        " on conflict (crawl_id, url) do update set run = excluded.run, state = 'taken', tries = 1"
        "   where pages.run < excluded.run or pages.state = 'waiting'"
        f" returning {_PAGE}",
        (account, crawl, url, depth, run),
    )
    row = await cursor.fetchone()
    return PageRow(**row) if row else None


async def settle_page(
    tx: Tx,
    account: str,
    crawl: str,
    url: str,
    state: str,
    *,
    reason: str | None = None,
    item: str | None = None,
    links: Sequence[str] | None = None,
) -> None:
    await tx.execute(
        "update pages set state = %(state)s, reason = %(reason)s, item_id = %(item)s,"
        " links = coalesce(%(links)s, links)"
        " where account_id = %(account)s and crawl_id = %(crawl)s and url = %(url)s"
        " and (%(state)s <> 'done' or state = 'taken')",
        {
            "state": state,
            "reason": reason,
            "item": item,
            "links": list(links) if links is not None else None,
            "account": account,
            "crawl": crawl,
            "url": url,
        },
    )


async def in_hand(tx: Tx, account: str, crawl: str, url: str) -> bool:
    """Whether an address is still being looked at: it may have given way to a better one."""
    cursor = await tx.execute(
        "select state from pages where account_id = %s and crawl_id = %s and url = %s for update",
        (account, crawl, url),
    )
    row = await cursor.fetchone()
    return row is not None and row["state"] == "taken"


async def shaky(tx: Tx, account: str, crawl: str, run: int) -> bool:
    """Whether a page of this run failed in a way that may have hidden others."""
    cursor = await tx.execute(
        "select 1 from pages p join items i on i.id = p.item_id where p.account_id = %s"
        " and p.crawl_id = %s and p.run = %s and p.state = 'failed'"
        " and i.error_code not in ('http_404', 'http_410', 'http_401', 'http_403') limit 1",
        (account, crawl, run),
    )
    return await cursor.fetchone() is not None


async def later(tx: Tx, account: str, crawl: str, url: str, delay: float) -> None:
    await tx.execute(
        "update pages set state = 'waiting', due_at = now() + %s"
        " where account_id = %s and crawl_id = %s and url = %s",
        (timedelta(seconds=delay), account, crawl, url),
    )


async def counts(tx: Tx, account: str, crawl: str, run: int) -> Counts:
    cursor = await tx.execute(
        "select count(*)::int as found,"
        " count(*) filter (where state = 'done')::int as done,"
        " count(*) filter (where state = 'failed')::int as failed,"
        " count(*) filter (where state = 'skipped')::int as skipped,"
        " count(*) filter (where state in ('waiting', 'taken'))::int as waiting"
        " from pages where account_id = %s and crawl_id = %s and run = %s",
        (account, crawl, run),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Counts(**row)


async def set_progress(
    tx: Tx, account: str, crawl: str, lease: str, progress: Counts, stage: str
) -> ItemRow | None:
    cursor = await tx.execute(
        "update items set found = %s, fetched = %s, indexed = %s, failed = %s, stage = %s,"
        " updated_at = now() where account_id = %s and id = %s and lease = %s and not cancelled"
        f" returning {ITEM_COLUMNS}",
        (
            progress.found - progress.skipped,
            progress.done + progress.failed,
            progress.done,
            progress.failed,
            stage,
            account,
            crawl,
            lease,
        ),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def left_over(tx: Tx, account: str, crawl: str, run: int, limit: int) -> list[PageRow]:
    """Addresses of earlier runs that nothing led to this time, and that are indexed."""
    cursor = await tx.execute(
        f"select {_PAGE} from pages where account_id = %s and crawl_id = %s and run < %s"
        " and item_id is not null order by seq limit %s",
        (account, crawl, run, limit),
    )
    return [PageRow(**row) for row in await cursor.fetchall()]


async def forget_pages(tx: Tx, account: str, crawl: str, run: int) -> None:
    """Addresses that are of no use any more."""
    await tx.execute(
        "delete from pages where account_id = %s and crawl_id = %s and run < %s"
        " and item_id is null",
        (account, crawl, run),
    )


# -- pages that became items -----------------------------------------------------------------


async def adopt(tx: Tx, account: str, id: str, lease: str, seconds: float) -> ItemRow | None:
    """A page's item, now the crawl's to work on, whoever had it."""
    cursor = await tx.execute(
        "update items set status = 'processing', stage = 'indexing', lease = %s,"
        " lease_until = now() + %s, attempts = attempts + 1, cancelled = false,"
        " building = greatest(building, generation) + 1"
        f" where account_id = %s and id = %s returning {ITEM_COLUMNS}",
        (lease, timedelta(seconds=seconds), account, id),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def insert_page(
    tx: Tx,
    account: str,
    *,
    id: str,
    chatbot: str,
    crawl: str,
    url: str,
    run: int,
    lease: str,
    seconds: float,
) -> ItemRow:
    cursor = await tx.execute(
        "insert into items (id, account_id, chatbot_id, type, source, title, parent_id, run,"
        " status, stage, lease, lease_until, attempts, building)"
        " values (%s, %s, %s, 'url', %s, %s, %s, %s, 'processing', 'indexing', %s, now() + %s,"
        f" 1, 1) returning {ITEM_COLUMNS}",
        (id, account, chatbot, url, url, crawl, run, lease, timedelta(seconds=seconds)),
    )
    row = await cursor.fetchone()
    assert row is not None
    return item_row(row)


async def seen(tx: Tx, account: str, crawl: str, run: int) -> list[dict[str, Any]]:
    """What this run has indexed so far, to notice that a page says the same."""
    cursor = await tx.execute(
        "select i.title, p.url, i.content_hash, i.simhash, i.numbers from pages p"
        " join items i on i.id = p.item_id"
        " where p.account_id = %s and p.crawl_id = %s and p.run = %s and p.state = 'done'",
        (account, crawl, run),
    )
    return [dict(row) for row in await cursor.fetchall()]


async def finish(
    tx: Tx, account: str, id: str, lease: str, progress: Counts, error: tuple[str, str] | None
) -> ItemRow | None:
    """The end of a run."""
    code, message = error or (None, None)
    cursor = await tx.execute(
        "update items set status = %(status)s, stage = %(status)s, error_code = %(code)s,"
        " error_message = %(message)s, found = %(found)s, fetched = %(fetched)s,"
        " indexed = %(indexed)s, failed = %(failed)s, lease = null, lease_until = null,"
        " crashes = 0, indexed_at = now(), updated_at = now(), semantic = 'pending',"
        " chunks = (select coalesce(sum(page.chunks), 0) from items page"
        "   where page.account_id = %(account)s and page.parent_id = %(id)s),"
        " refresh_at = case refresh when 'daily' then now() + interval '1 day'"
        "   when 'weekly' then now() + interval '7 days' end"
        " where account_id = %(account)s and id = %(id)s and lease = %(lease)s and not cancelled"
        f" returning {ITEM_COLUMNS}",
        {
            "status": "failed" if error else "ready",
            "code": code,
            "message": message,
            "found": progress.found - progress.skipped,
            "fetched": progress.done + progress.failed,
            "indexed": progress.done,
            "failed": progress.failed,
            "account": account,
            "id": id,
            "lease": lease,
        },
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def first_reason(tx: Tx, account: str, crawl: str, run: int) -> str | None:
    cursor = await tx.execute(
        "select reason from pages where account_id = %s and crawl_id = %s and run = %s"
        " and reason is not null order by depth, seq limit 1",
        (account, crawl, run),
    )
    row = await cursor.fetchone()
    return row["reason"] if row else None


async def others_wait(tx: Tx) -> bool:
    """Whether another crawl is due."""
    cursor = await tx.execute(
        "select 1 from items where type = 'crawl' and status = 'pending' and due_at <= now()"
        " and lease is null limit 1"
    )
    return await cursor.fetchone() is not None


async def touch(tx: Tx, account: str, id: str, etag: str | None, last_modified: str | None) -> None:
    """A page's item was looked at and is as it was."""
    await tx.execute(
        "update items set status = 'ready', stage = 'ready', error_code = null,"
        " error_message = null, failed = 0, missed = 0, lease = null, lease_until = null,"
        " etag = coalesce(%s, etag), last_modified = coalesce(%s, last_modified)"
        " where account_id = %s and id = %s and generation > 0",
        (etag, last_modified, account, id),
    )


async def item_of(tx: Tx, account: str, crawl: str, url: str) -> ItemRow | None:
    cursor = await tx.execute(
        f"select {ITEM_COLUMNS} from items where account_id = %s and id ="
        " (select item_id from pages where crawl_id = %s and url = %s) for update",
        (account, crawl, url),
    )
    row = await cursor.fetchone()
    return item_row(row) if row else None


async def keep(tx: Tx, account: str, crawl: str, run: int, url: str) -> None:
    await tx.execute(
        "update pages set run = %s, state = 'done' where account_id = %s and crawl_id = %s"
        " and url = %s",
        (run, account, crawl, url),
    )

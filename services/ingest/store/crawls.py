"""Crawls: the row of the crawl itself, the pages it knows, and the items they became."""

from datetime import UTC, datetime, timedelta

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


class Counts(msgspec.Struct, frozen=True):
    found: int
    fetched: int
    failed: int
    waiting: int


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

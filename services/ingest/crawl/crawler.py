"""A crawl from start to end: seeds, pages side by side, what is left over, the verdict.

All that a crawl knows is in Postgres (`pages`), so that another worker can go on where one
died. A crawl gives its place up after `TURN` seconds when others wait.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from libs.common.db import Database
from libs.common.fetch import FetchError
from libs.common.telemetry import log
from services.ingest.crawl import sitemap
from services.ingest.crawl.duplicates import Content, Duplicates
from services.ingest.crawl.manners import Manners
from services.ingest.crawl.robots import Robots
from services.ingest.crawl.rules import CrawlOptions, chosen, normalized, wanted
from services.ingest.crawl.visit import Crawl, Visits
from services.ingest.extract.blocks import ExtractionFailed
from services.ingest.indexing import Indexer, LeaseLost
from services.ingest.jobs import settle
from services.ingest.metrics import PAGES
from services.ingest.notices import Notices
from services.ingest.removal import Removals
from services.ingest.sources import Sources
from services.ingest.store import crawls, work
from services.ingest.store.rows import ItemRow

AT_ONCE = 4  # pages of one crawl
TURN = 20.0  # seconds before a crawl makes room for one that waits
TELL = 0.5  # seconds between two reports of progress
IDLE = 0.2  # seconds between two looks when pages wait for their next try
SEEDS_AT_ONCE = 1000  # addresses
LEFT_OVER = 200  # addresses a batch


class Crawler:
    def __init__(
        self,
        db: Database,
        sources: Sources,
        indexer: Indexer,
        notices: Notices,
        *,
        removals: Removals,
        delay: float,
        lease: float,
    ) -> None:
        self._db = db
        self._sources = sources
        self._notices = notices
        self._removals = removals
        self._visits = Visits(db, sources, indexer, notices, Manners(delay), lease)

    async def run(self, item: ItemRow) -> None:
        await settle(self._db, self._notices, item, lambda: self._crawl(item))

    async def _crawl(self, item: ItemRow) -> ItemRow | None:
        options = CrawlOptions.from_json(item.options)
        start = normalized(item.source or "")
        if start is None:
            raise ExtractionFailed("invalid_url", "The URL is not valid.")
        await self._notices.changed(item)
        robots = await Robots.fetch(self._sources.fetcher, start)
        crawl = Crawl(item, options, start, robots, await self._seen(item))
        await self._seed(crawl)
        if not await self._pages(crawl):
            await self._make_room(crawl)
            return None
        await self._leftovers(crawl)
        return await self._finish(crawl)

    # -- where to begin ----------------------------------------------------------------------

    async def _seed(self, crawl: Crawl) -> None:
        """The first addresses; a repeat after a crash adds nothing."""
        async with self._db.transaction(crawl.item.account_id) as tx:
            await crawls.resume(tx, *crawl.key)
            known = await crawls.counts(tx, *crawl.key, crawl.item.run)
        if known.found:
            return
        if crawl.options.sitemap and crawl.start.endswith("/robots.txt"):
            for url in crawl.robots.sitemaps:
                await self._from_sitemap(crawl, url)
            return
        if crawl.options.sitemap or crawl.start.endswith((".xml", ".xml.gz")):
            await self._from_sitemap(crawl, crawl.start)
            return
        for url in crawl.robots.sitemaps if crawl.options.max_depth > 0 else []:
            try:
                await self._from_sitemap(crawl, url)
            except FetchError as exc:
                log.info("sitemap_left_out", code=exc.code)
        await self._visits.discover(crawl, [crawl.start], 0)

    async def _from_sitemap(self, crawl: Crawl, url: str) -> None:
        most = crawl.options.max_pages * 2
        async for listed in sitemap.pages(self._sources.fetcher, url, most):
            found = (normalized(one) for one in listed)
            urls = [u for u in dict.fromkeys(found) if u and self._listed(crawl, u)]
            for start in range(0, len(urls), SEEDS_AT_ONCE):
                await self._visits.discover(crawl, urls[start : start + SEEDS_AT_ONCE], 1)

    @staticmethod
    def _listed(crawl: Crawl, url: str) -> bool:
        return wanted(url, crawl.start, crawl.options) and chosen(url, crawl.options)

    async def _seen(self, item: ItemRow) -> Duplicates:
        duplicates = Duplicates()
        async with self._db.transaction(item.account_id) as tx:
            rows = await crawls.seen(tx, item.account_id, item.id, item.run)
        for row in rows:
            if row["content_hash"] is not None:
                digest = bytes(row["content_hash"])
                content = Content(digest, row["title"], row["simhash"], row["numbers"])
                duplicates.claim(row["url"], content)
        return duplicates

    # -- the pages ---------------------------------------------------------------------------

    async def _pages(self, crawl: Crawl) -> bool:
        """Visit until none waits; False when the crawl should make room for another."""
        running: set[asyncio.Task[None]] = set()
        told = began = time.monotonic()
        try:
            while True:
                full = len(running) >= (1 if crawl.robots.delay else AT_ONCE)
                page = None if full else await self._take(crawl)
                if page is not None:
                    running.add(asyncio.create_task(self._visits.visit(crawl, page)))
                    continue
                if running:
                    await self._wait(running)
                elif not (await self._counts(crawl)).waiting:
                    return True
                else:
                    await asyncio.sleep(IDLE)
                if time.monotonic() - told > TELL:
                    told = time.monotonic()
                    await self._tell(crawl, "crawling")
                if time.monotonic() - began > TURN:
                    if await self._others_wait():
                        await self._drain(running)
                        return False
                    began = time.monotonic()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    @staticmethod
    async def _wait(running: set[asyncio.Task[None]]) -> None:
        done, _ = await asyncio.wait(running, timeout=TELL, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            running.discard(task)
            task.result()

    async def _drain(self, running: set[asyncio.Task[None]]) -> None:
        while running:
            await self._wait(running)

    async def _take(self, crawl: Crawl) -> crawls.PageRow | None:
        async with self._db.transaction(crawl.item.account_id) as tx:
            return await crawls.take(tx, *crawl.key, crawl.item.run)

    async def _counts(self, crawl: Crawl) -> crawls.Counts:
        async with self._db.transaction(crawl.item.account_id) as tx:
            return await crawls.counts(tx, *crawl.key, crawl.item.run)

    async def _tell(self, crawl: Crawl, stage: str) -> None:
        async with self._db.transaction(crawl.item.account_id) as tx:
            counts = await crawls.counts(tx, *crawl.key, crawl.item.run)
            row = await crawls.set_progress(tx, *crawl.key, crawl.lease, counts, stage)
        if row is None:
            raise LeaseLost
        await self._notices.changed(row)

    async def _others_wait(self) -> bool:
        async with self._db.system() as tx:
            return await crawls.others_wait(tx)

    async def _make_room(self, crawl: Crawl) -> None:
        log.info("crawl_makes_room", item=crawl.item.id)
        async with self._db.transaction(crawl.item.account_id) as tx:
            await work.make_room(tx, *crawl.key, crawl.lease)

    # -- the end -----------------------------------------------------------------------------

    async def _leftovers(self, crawl: Crawl) -> None:
        """What earlier runs indexed and nothing led to now: gone, or not reachable any more.

        A page that is gone is pruned. One that still answers is pruned as well, unless
        something failed in this run or its bound was reached: then what led to it may only
        have been missed.
        """
        async with self._db.transaction(crawl.item.account_id) as tx:
            counts = await crawls.counts(tx, *crawl.key, crawl.item.run)
            shaky = await crawls.shaky(tx, *crawl.key, crawl.item.run)
        complete = counts.done > 0 and not shaky and counts.done < crawl.options.max_pages
        async for page in self._left_over(crawl):
            if complete or await self._is_gone(crawl, page):
                await self._visits.prune(crawl, page)
            else:
                await self._keep(crawl, page)

    async def _left_over(self, crawl: Crawl) -> AsyncIterator[crawls.PageRow]:
        while True:
            async with self._db.transaction(crawl.item.account_id) as tx:
                rows = await crawls.left_over(tx, *crawl.key, crawl.item.run, LEFT_OVER)
            for row in rows:
                yield row
            if len(rows) < LEFT_OVER:
                return

    async def _is_gone(self, crawl: Crawl, page: crawls.PageRow) -> bool:
        if not crawl.robots.allows(page.url):
            return True
        try:
            await self._sources.fetcher.get(page.url, max_bytes=30 << 20)
        except FetchError as exc:
            return exc.status in (404, 410)
        return False

    async def _keep(self, crawl: Crawl, page: crawls.PageRow) -> None:
        """It counts as one of this run's pages."""
        async with self._db.transaction(crawl.item.account_id) as tx:
            await crawls.keep(tx, *crawl.key, crawl.item.run, page.url)
        PAGES.labels("kept").inc()

    async def _finish(self, crawl: Crawl) -> ItemRow | None:
        account = crawl.item.account_id
        async with self._db.transaction(account) as tx:
            counts = await crawls.counts(tx, *crawl.key, crawl.item.run)
            error = None
            if not counts.done:
                reason = await crawls.first_reason(tx, *crawl.key, crawl.item.run)
                error = ("nothing_indexed", _no_page(reason))
            row = await crawls.finish(tx, *crawl.key, crawl.lease, counts, error)
            if row is None:
                raise LeaseLost
            await crawls.forget_pages(tx, *crawl.key, crawl.item.run)
            await work.settle_parent(tx, *crawl.key)
            await self._notices.indexed(tx, row)
        await self._removals.now()
        return row


_REASONS = {
    "robots": "The site's robots.txt does not allow it.",
    "noindex": "The pages ask not to be indexed.",
    "redirects_elsewhere": "The address redirects to another site; crawl that one.",
}


def _no_page(reason: str | None) -> str:
    why = _REASONS.get(reason or "", reason or "Nothing was found at this address.")
    return f"No page could be indexed. {why}"

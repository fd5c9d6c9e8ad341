"""One page of a crawl: fetched, judged, indexed or left out, and what it leads to."""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from libs.common.db import Database, Tx
from libs.common.errors import AppError
from libs.common.fetch import FetchError
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.ingest.crawl.duplicates import Content, Duplicates, better
from services.ingest.crawl.manners import Manners
from services.ingest.crawl.robots import Robots
from services.ingest.crawl.rules import CrawlOptions, chosen, normalized, same_site, wanted
from services.ingest.documents import Document
from services.ingest.extract.blocks import ExtractionFailed
from services.ingest.faults import reached
from services.ingest.indexing import Indexer, LeaseLost
from services.ingest.metrics import PAGES
from services.ingest.notices import Notices
from services.ingest.sources import Page, Sources, Unchanged
from services.ingest.store import crawls, items, work
from services.ingest.store.crawls import PageRow
from services.ingest.store.rows import ItemRow

TRIES = 3  # of a page in one run
MISSES = 3  # runs in a row that a page may fail before it is taken to be gone
GONE = (404, 410)
TOTAL_FACTOR = 5  # addresses a crawl may know, as a multiple of its pages
RETRY_DELAY = 1.0  # seconds; doubles


class Crawl:
    """A crawl at work: its row, what it was asked for, what it has seen."""

    def __init__(
        self,
        item: ItemRow,
        options: CrawlOptions,
        start: str,
        robots: Robots,
        duplicates: Duplicates,
    ) -> None:
        self.item = item
        self.options = options
        self.start = start
        self.robots = robots
        self.duplicates = duplicates
        self.discovering = asyncio.Lock()  # or the bound on pages would be passed

    @property
    def lease(self) -> str:
        return self.item.lease or ""

    @property
    def key(self) -> tuple[str, str]:
        return self.item.account_id, self.item.id


class _At:
    """Where a visit is: redirects lead it to another address."""

    def __init__(self, page: PageRow) -> None:
        self.page = page


class Skip(Exception):
    """The page is not indexed, and that is no failure."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Visits:
    def __init__(
        self,
        db: Database,
        sources: Sources,
        indexer: Indexer,
        notices: Notices,
        manners: Manners,
        lease: float,
    ) -> None:
        self._db = db
        self._sources = sources
        self._indexer = indexer
        self._notices = notices
        self._manners = manners
        self._lease = lease  # seconds

    async def visit(self, crawl: Crawl, page: PageRow) -> None:
        """Look at one address and settle its row. Raises `LeaseLost` and `Unavailable`."""
        reached("page_taken")
        at = _At(page)
        try:
            await self._look(crawl, at)
        except Skip as exc:
            await self._settle(crawl, at.page, "skipped", exc.reason)
            PAGES.labels("skipped").inc()
        except FetchError as exc:
            await self._not_fetched(crawl, at.page, exc)
        except ExtractionFailed as exc:
            await self._failed(crawl, at.page, exc.code, exc.message)
        except LeaseLost:
            if not await self._displaced(crawl, at.page):
                raise
        except AppError:
            raise
        except Exception as exc:
            log.error("page_crashed", item=crawl.item.id, exc_info=exc)
            await self._failed(crawl, at.page, "unreadable", "The page could not be read.")

    async def _look(self, crawl: Crawl, at: _At) -> None:
        if not crawl.robots.allows(at.page.url):
            raise Skip("robots")
        known = await self._known(crawl, at.page)
        try:
            async with self._manners.turn(at.page.url, crawl.robots.delay):
                fetched = await self._sources.page(at.page.url, known)
        except Unchanged as same:
            assert known is not None
            await self._still(crawl, at.page, known, same, at.page.links)
            return
        await self._arrive(crawl, at, fetched)
        page = at.page
        links = self._links(crawl, fetched)
        await self._follow(crawl, page, links)
        await self._judge(crawl, page, fetched)
        document = await self._sources.of_page(await self._titled(crawl, page), fetched)
        await self._index(crawl, page, replace(document, url=page.url), links)

    async def _follow(self, crawl: Crawl, page: PageRow, links: Sequence[str]) -> None:
        if page.depth < crawl.options.max_depth:
            await self.discover(crawl, links, page.depth + 1)

    async def _displaced(self, crawl: Crawl, page: PageRow) -> bool:
        """Whether only this page was lost, to a better address, and not the crawl."""
        account = crawl.item.account_id
        async with self._db.transaction(account) as tx:
            held = await work.held(tx, account, crawl.item.id, crawl.lease) is not None
            return held and not await crawls.in_hand(tx, *crawl.key, page.url)

    # -- where an address leads --------------------------------------------------------------

    async def _arrive(self, crawl: Crawl, at: _At, fetched: Page) -> None:
        """Go on under the address that answered, after redirects."""
        page, target = at.page, normalized(fetched.url)
        if target is None or target == page.url:
            return
        if page.url == crawl.start and not same_site(target, crawl.start):
            crawl.start = target  # the whole site has moved
        if not same_site(target, crawl.start):
            raise Skip("redirects_elsewhere")
        if not crawl.robots.allows(target):
            raise Skip("robots")
        async with self._db.transaction(crawl.item.account_id) as tx:
            other = await crawls.take_this(tx, *crawl.key, crawl.item.run, target, page.depth)
        if other is None:
            raise Skip("redirect")
        await self._settle(crawl, page, "skipped", "redirect")
        at.page = other

    async def _judge(self, crawl: Crawl, page: PageRow, fetched: Page) -> None:
        extracted = fetched.extracted
        if not chosen(page.url, crawl.options):
            raise Skip("not_included")
        if extracted.noindex:
            raise Skip("noindex")
        for other, reason in ((extracted.canonical, "canonical"), (extracted.refresh, "refresh")):
            target = normalized(other) if other else None
            if target and target != page.url and self._stands_for(crawl, target, page.url):
                await self.discover(crawl, [target], page.depth)
                raise Skip(reason)

    @staticmethod
    def _stands_for(crawl: Crawl, target: str, url: str) -> bool:
        """Whether a canonical link is believed: of this site, and not every page's start page."""
        if not wanted(target, crawl.start, crawl.options):
            return False
        return target.rstrip("/") != crawl.start.rstrip("/") or url.startswith(
            target.rstrip("/") + "?"
        )

    @staticmethod
    def _links(crawl: Crawl, fetched: Page) -> list[str]:
        if crawl.options.sitemap or fetched.extracted.nofollow:
            return []
        found = (normalized(link) for link in fetched.extracted.links)
        return [u for u in dict.fromkeys(found) if u and wanted(u, crawl.start, crawl.options)]

    async def discover(self, crawl: Crawl, urls: Sequence[str], depth: int) -> None:
        """Put addresses on the list, as far as the crawl's bound has room."""
        allowed = [url for url in urls if url == crawl.start or crawl.robots.allows(url)]
        if not allowed:
            return
        async with crawl.discovering, self._db.transaction(crawl.item.account_id) as tx:
            counts = await crawls.counts(tx, *crawl.key, crawl.item.run)
            most = crawl.options.max_pages
            room = min(most - counts.done - counts.waiting, most * TOTAL_FACTOR - counts.found)
            await crawls.discover(tx, *crawl.key, crawl.item.run, allowed, depth, room)

    # -- what becomes of it ------------------------------------------------------------------

    async def _known(self, crawl: Crawl, page: PageRow) -> ItemRow | None:
        if page.item_id is None:
            return None
        async with self._db.transaction(crawl.item.account_id) as tx:
            return await items.get(tx, crawl.item.account_id, page.item_id)

    async def _titled(self, crawl: Crawl, page: PageRow) -> ItemRow:
        """The item whose own title, where its owner gave one, is kept."""
        return await self._known(crawl, page) or replace(crawl.item, own_title=False)

    async def _index(
        self, crawl: Crawl, page: PageRow, document: Document, links: list[str]
    ) -> None:
        content = Content(document.digest, document.title, document.fingerprint, document.numbers)
        await self._claim(crawl, page, content)
        item = await self._own(crawl, page)
        if item.generation > 0 and item.content_hash == document.digest:
            unchanged = Unchanged(document.etag, document.last_modified)
            await self._still(crawl, page, item, unchanged, links)
            return
        await self._indexer.index(item, document)
        reached("page_indexed")
        await self._settle(crawl, page, "done", item=item.id, links=links)
        PAGES.labels("indexed").inc()

    async def _own(self, crawl: Crawl, page: PageRow) -> ItemRow:
        """The page's item, in hand: the one it has, or a new one, in the same step as its row."""
        account = crawl.item.account_id
        async with self._db.transaction(account) as tx:
            if await work.held(tx, account, crawl.item.id, crawl.lease) is None:
                raise LeaseLost
            if not await crawls.in_hand(tx, *crawl.key, page.url):
                raise Skip("duplicate")
            item = None
            if page.item_id is not None:
                item = await crawls.adopt(tx, account, page.item_id, crawl.lease, self._lease)
            if item is None:
                item = await crawls.insert_page(
                    tx,
                    account,
                    id=new_id("kn"),
                    chatbot=crawl.item.chatbot_id,
                    crawl=crawl.item.id,
                    url=page.url,
                    run=crawl.item.run,
                    lease=crawl.lease,
                    seconds=self._lease,
                )
                await crawls.settle_page(tx, *crawl.key, page.url, "taken", item=item.id)
        return item

    async def _still(
        self, crawl: Crawl, page: PageRow, item: ItemRow, same: Unchanged, links: list[str]
    ) -> None:
        """As it was: only looked at. What it led to last time is looked at again."""
        await self._follow(crawl, page, links)
        if item.content_hash is not None:
            content = Content(item.content_hash, item.title, item.simhash, item.numbers)
            await self._claim(crawl, page, content)
        account = crawl.item.account_id
        async with self._db.transaction(account) as tx:
            if await work.held(tx, account, crawl.item.id, crawl.lease) is None:
                raise LeaseLost
            await crawls.touch(tx, account, item.id, same.etag, same.last_modified)
        await self._settle(crawl, page, "done", item=item.id, links=links)
        PAGES.labels("unchanged").inc()

    async def _claim(self, crawl: Crawl, page: PageRow, content: Content) -> None:
        """Be the page that stands for this content. Raises `Skip` when another does."""
        same = crawl.duplicates.claim(page.url, content)
        if same is None:
            return
        if not better(page.url, same.url):
            raise Skip("duplicate")
        other, same.url = same.url, page.url
        await self._take_place_of(crawl, other)

    async def _take_place_of(self, crawl: Crawl, other: str) -> None:
        """A better address for content that is indexed under another: that one goes."""
        async with self._db.transaction(crawl.item.account_id) as tx:
            item = await crawls.item_of(tx, *crawl.key, other)
            if item is not None:
                await self._remove(crawl, tx, item)
            await crawls.settle_page(tx, *crawl.key, other, "skipped", reason="duplicate")

    async def _not_fetched(self, crawl: Crawl, page: PageRow, exc: FetchError) -> None:
        if exc.retryable and page.tries < TRIES:
            async with self._db.transaction(crawl.item.account_id) as tx:
                delay = RETRY_DELAY * 2 ** (page.tries - 1)
                await crawls.later(tx, *crawl.key, page.url, delay)
            return
        if exc.status in GONE and await self.prune(crawl, page):
            return
        await self._failed(crawl, page, exc.code, exc.message)

    async def prune(self, crawl: Crawl, page: PageRow) -> bool:
        """Remove what was indexed of a page that is gone; whether anything was."""
        known = await self._known(crawl, page)
        if (known is None or known.generation == 0) and page.reason != "gone":
            return False
        async with self._db.transaction(crawl.item.account_id) as tx:
            if known is not None:
                await self._remove(crawl, tx, known)
            await crawls.settle_page(tx, *crawl.key, page.url, "skipped", reason="gone")
        PAGES.labels("gone").inc()
        return True

    async def _failed(self, crawl: Crawl, page: PageRow, code: str, message: str) -> None:
        """The page's item says why. What an earlier run indexed stays, for some runs."""
        known = await self._known(crawl, page)
        if known is not None and known.generation > 0 and known.missed + 1 >= MISSES:
            await self.prune(crawl, page)
            return
        item = await self._own(crawl, page)
        account = crawl.item.account_id
        async with self._db.transaction(account) as tx:
            failed = await work.fail(tx, account, item.id, crawl.lease, code, message)
            await crawls.settle_page(
                tx, *crawl.key, page.url, "failed", reason=message, item=item.id
            )
        PAGES.labels("failed").inc()
        if failed is not None:
            await self._notices.changed(failed)

    async def _settle(
        self,
        crawl: Crawl,
        page: PageRow,
        state: str,
        reason: str | None = None,
        *,
        item: str | None = None,
        links: list[str] | None = None,
    ) -> None:
        """The row's end in this run. A page that is not indexed any more loses its item."""
        account = crawl.item.account_id
        async with self._db.transaction(account) as tx:
            if item is None and page.item_id is not None:
                known = await items.get(tx, account, page.item_id, lock=True)
                if known is not None:
                    await self._remove(crawl, tx, known)
            await crawls.settle_page(
                tx, *crawl.key, page.url, state, reason=reason, item=item, links=links
            )

    @staticmethod
    async def _remove(crawl: Crawl, tx: Tx, item: ItemRow) -> None:
        await items.add_removals(tx, crawl.item.account_id, [item.id])
        await items.delete(tx, crawl.item.account_id, [item.id])

"""What the ingest service is made of."""

import asyncio
import os
from contextlib import AsyncExitStack

from pydantic import field_validator

from libs.common.app import Service, bus_check
from libs.common.blobs import Blobs
from libs.common.bus import Bus
from libs.common.config import Cidrs, DatabaseSettings, cidrs
from libs.common.consumers import consume
from libs.common.db import Database
from libs.common.fetch import Fetcher
from libs.common.outbox import Outbox
from libs.retrieval.embedders import QueryEmbedders
from libs.retrieval.search import RetrievalSettings, Retriever
from libs.retrieval.vectors import VectorStore
from services.ingest.crawl.crawler import Crawler
from services.ingest.crawl.schedule import Schedule
from services.ingest.dense import Dense
from services.ingest.erasure import Erasure
from services.ingest.extract.pool import Extractor
from services.ingest.handlers import DELETIONS, Handlers
from services.ingest.indexing import Indexer
from services.ingest.jobs import Jobs
from services.ingest.knowledge import Knowledge
from services.ingest.migration import Migration
from services.ingest.notices import Notices
from services.ingest.reconcile import Reconciler
from services.ingest.removal import Removals
from services.ingest.sources import Sources
from services.ingest.targets import Targets
from services.ingest.worker import Workers


class Settings(DatabaseSettings, RetrievalSettings):
    blobs: str = "file:///var/lib/chattery/blobs"
    fetch_allow: Cidrs = ()
    ingest_workers: int = 4  # items at once
    ingest_crawls: int = 2  # crawls at once
    ingest_lease: float = 12.0  # seconds until the work of a worker that died is taken over
    ingest_extractors: int = 2  # child processes
    crawl_max_pages: int = 10_000  # of one crawl, whatever it asks for
    crawl_delay: float = 0.2  # seconds between two requests to one host
    reconcile_seconds: float = 600.0  # between two comparisons of Postgres and vectors
    embed_threads: int = max(1, (os.cpu_count() or 2) - 1)

    _cidrs = field_validator("fetch_allow", mode="before")(cidrs)


async def build(settings: Settings, stack: AsyncExitStack) -> Service:
    url = settings.database_url.get_secret_value()
    db = await stack.enter_async_context(
        Database.open(url, schema="ingest", service="ingest", size=settings.db_pool)
    )
    bus = await stack.enter_async_context(Bus.open(settings, "ingest"))
    store = await stack.enter_async_context(VectorStore.open(settings))
    fetcher = await stack.enter_async_context(Fetcher.open(settings.fetch_allow))
    extractor = await stack.enter_async_context(Extractor.open(settings.ingest_extractors))
    embedders = await stack.enter_async_context(QueryEmbedders.open(settings))
    targets = await stack.enter_async_context(Targets.open(db, store, settings))
    blobs = Blobs(settings.blobs)
    outbox = Outbox(db, bus, "ingest")
    notices = Notices(bus, outbox)
    indexer = Indexer(db, store, targets, notices)
    sources = Sources(fetcher, blobs, extractor, targets.configured)
    removals = Removals(db, store, blobs)
    lease, delay = settings.ingest_lease, settings.crawl_delay
    crawler = Crawler(db, sources, indexer, notices, removals=removals, delay=delay, lease=lease)
    work = Jobs(db, sources, indexer, notices).run
    jobs = Workers(db, bus, work, size=settings.ingest_workers, crawls=False, lease=lease)
    crawls = Workers(db, bus, crawler.run, size=settings.ingest_crawls, crawls=True, lease=lease)
    dense = Dense(db, store, targets, notices, lease=lease)
    reconciler = Reconciler(db, store, targets, indexer, every=settings.reconcile_seconds)
    knowledge = Knowledge(
        db, bus, notices, removals, fetcher.guard, max_pages=settings.crawl_max_pages
    )
    handlers = Handlers(knowledge, Erasure(db, store, removals), Retriever(store, embedders))
    await handlers.serve(bus)

    async def drain(grace: float) -> None:
        await asyncio.gather(jobs.drain(grace), crawls.drain(grace), bus.stop_serving(grace))

    embedding = {f"dense-{number}": dense.run() for number in range(1 + settings.embed_threads)}
    return Service(
        "ingest",
        checks={"bus": bus_check(bus), "postgres": db.ready, "vectors": store.ready},
        tasks={
            "collections": targets.keep(),
            "extractors": extractor.keep_warm(),
            "outbox": outbox.relay(),
            "jobs": jobs.listen(),
            "jobs-look": jobs.look(),
            "crawls": crawls.listen(),
            "crawls-look": crawls.look(),
            "removals": removals.run(),
            "reconcile": reconciler.run(),
            "model-change": Migration(db, store, targets, indexer, dense).run(),
            "schedule": Schedule(db, notices).run(),
            "deletions": consume(bus, DELETIONS, handlers.deleted),
            **embedding,
        },
        drain=drain,
    )

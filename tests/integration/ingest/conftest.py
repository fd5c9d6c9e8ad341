"""The ingest service as it is built, on real servers; chat's one answer is given here."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from libs.common import calls
from libs.common.app import end
from libs.common.blobs import Blobs
from libs.common.bus import Bus
from libs.common.envelope import Context
from libs.common.errors import NotFound
from libs.common.ids import new_id
from libs.retrieval.vectors import PointRef, VectorStore
from services.ingest.service import Settings, build
from tests.serving import serving
from tests.shapes import a_chatbot

PATIENCE = 30.0  # seconds for anything to come about


class Ingest:
    """The running service, and the bus as its callers have it."""

    def __init__(
        self, bus: Bus, store: VectorStore, blobs: Blobs, account: str, chatbot: str
    ) -> None:
        self.bus = bus
        self.store = store
        self.blobs = blobs
        self.context = Context(account=account)
        self.chatbot = chatbot
        self.known = {(account, chatbot)}  # chatbots that chat says there are

    @property
    def account(self) -> str:
        return self.context.account

    async def call(self, endpoint: Any, request: Any, context: Context | None = None) -> Any:
        return await self.bus.request(endpoint, request, context or self.context, timeout=PATIENCE)

    async def add(self, **fields: Any) -> calls.Item:
        fields.setdefault("chatbot_id", self.chatbot)
        return await self.call(calls.KNOWLEDGE_CREATE, calls.CreateItem(**fields))

    async def upload(self, name: str, data: bytes, **fields: Any) -> calls.Item:
        upload = new_id("up")

        async def parts() -> AsyncIterator[bytes]:
            yield data

        await self.blobs.put(f"uploads/{self.account}/{upload}", parts(), limit=200 << 20)
        file = calls.UploadedFile(upload_id=upload, filename=name, size=len(data))
        request = calls.CreateUploads(chatbot_id=self.chatbot, files=[file], **fields)
        return (await self.call(calls.KNOWLEDGE_UPLOAD, request)).data[0]

    async def scrape(self, **fields: Any) -> calls.Item:
        request = calls.Scrape(chatbot_id=self.chatbot, **fields)
        return await self.call(calls.KNOWLEDGE_SCRAPE, request)

    async def item(self, id: str) -> calls.Item:
        return await self.call(calls.KNOWLEDGE_GET, calls.ById(id=id))

    async def done(self, id: str, patience: float = PATIENCE) -> calls.Item:
        """The item once nobody works on it any more."""
        item = await self.item(id)
        end = time.monotonic() + patience
        while item.status in ("pending", "processing"):
            assert time.monotonic() < end, item
            await asyncio.sleep(0.03)
            item = await self.item(id)
        return item

    async def embedded(self, id: str, patience: float = 60.0) -> calls.Item:
        await self.done(id)
        end = time.monotonic() + patience
        while (item := await self.item(id)).semantic == "pending":
            assert time.monotonic() < end, item
            await asyncio.sleep(0.05)
        return item

    async def pages(self, parent: str, **filters: Any) -> list[calls.Item]:
        found: list[calls.Item] = []
        cursor = None
        while True:
            request = calls.ListItems(parent_id=parent, limit=100, cursor=cursor, **filters)
            page = await self.call(calls.KNOWLEDGE_LIST, request)
            found += page.data
            cursor = page.pagination.cursor
            if cursor is None:
                return found

    async def search(self, query: str, limit: int = 5) -> calls.SearchResult:
        request = calls.SearchKnowledge(chatbot_id=self.chatbot, query=query, limit=limit)
        return await self.call(calls.KNOWLEDGE_SEARCH, request)

    async def points(self) -> list[PointRef]:
        live = await self.store.live(fresh=True)
        assert live is not None
        found: list[PointRef] = []
        async for page in self.store.scan(live, account=self.account):
            found += page
        return found


@asynccontextmanager
async def running(settings: Settings, account: str, chatbot: str) -> AsyncIterator[Ingest]:
    """The service in this loop, its tasks running."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus.open(settings, "test"))
        store = await stack.enter_async_context(VectorStore.open(settings))
        service = await build(settings, stack)
        tasks = [asyncio.create_task(task, name=name) for name, task in service.tasks.items()]
        ingest = Ingest(bus, store, Blobs(settings.blobs), account, chatbot)
        await bus.serve(calls.CHATBOT_GET, chatbots(ingest.known))
        try:
            yield ingest
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await end(tasks, within=20)


def chatbots(known: set[tuple[str, str]]) -> Callable[[Context, calls.ById], Any]:
    """Chat's part: which chatbots there are."""

    async def get(context: Context, request: calls.ById) -> calls.Chatbot:
        if (context.account, request.id) not in known:
            raise NotFound("There is no chatbot under this id.")
        return a_chatbot(request.id)

    return get


@pytest.fixture
def settings(servers: Any, database: Callable[[str], Any], tmp_path: Path) -> Settings:
    """A schema, a collection and a blob store of its own for every test."""
    return Settings(
        NATS_URL=servers.nats_url,
        DATABASE_URL=database("ingest").url,
        QDRANT_URL=servers.qdrant_url,
        collection=f"t{uuid.uuid4().hex[:12]}",
        blobs=f"file://{tmp_path / 'blobs'}",
        fetch_allow="127.0.0.0/8",
        crawl_delay=0.0,
    )


@pytest.fixture
async def ingest(settings: Settings) -> AsyncIterator[Ingest]:
    async with running(settings, new_id("acc"), new_id("bot")) as service:
        yield service


class Site:
    """A web site on loopback. ``pages`` maps paths to a body or to a handler."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, Any] = {}
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        self.requests.append(path)
        self.headers.append(dict(request.headers))
        page = self.pages.get(path)
        if page is None:
            return web.Response(status=404, text="Not here.")
        if callable(page):
            page = page(request)
            if asyncio.iscoroutine(page):
                page = await page
        if isinstance(page, web.StreamResponse):
            return page
        if isinstance(page, bytes):
            return web.Response(body=page)
        return web.Response(text=page, content_type="text/html")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site("")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    async with serving(app) as found.url:
        yield found

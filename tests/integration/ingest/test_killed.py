"""SIGKILL at every boundary between two stages: afterwards all is as if nothing had happened."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from qdrant_client import AsyncQdrantClient

from libs.common import calls
from libs.common.blobs import Blobs
from libs.common.bus import Bus
from libs.common.errors import AppError
from libs.common.ids import new_id
from libs.retrieval.vectors import VectorStore
from services.ingest.service import Settings
from tests.conftest import ROOT
from tests.integration.ingest.conftest import Ingest, chatbots

POINTS = (
    "claimed", "extracted", "chunks_written", "points_written", "points_published", "finished",
    "dense_written", "page_taken", "page_indexed",
)  # fmt: skip
PATIENCE = 150.0  # seconds for all of it to come to an end
CALL_TIMEOUT = 2.0  # seconds; who was asked may be dead by now
TEXT = "You get a refund within 30 days. We deliver to Norway in two days."
PAGE = "<title>{0}</title><main><h1>{0}</h1><p>The {0} office opens at nine.</p>{1}</main>"


class Service:
    """The ingest service as a process that is started again whenever it dies."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self._environment = environment
        self._output = output
        with output.open("wb") as said:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.ingest.zygote"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            )  # fmt: skip
        self.deaths: list[int] = []
        self._pid = 0
        self._stopping = False

    async def keep(self) -> None:
        while not self._stopping:
            self._pid = int(await asyncio.to_thread(self._tell, json.dumps(self._environment)))
            status = int(await asyncio.to_thread(self._tell, ""))
            if not self._stopping:
                self.deaths.append(os.WTERMSIG(status))

    def last_words(self) -> str:
        return f"deaths: {self.deaths}\n{self._output.read_text()[-3000:]}"

    def _tell(self, line: str) -> str:
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        if line:
            self._zygote.stdin.write(line + "\n")
            self._zygote.stdin.flush()
        return self._zygote.stdout.readline() or "0"

    async def stop(self, keeping: "asyncio.Task[None]") -> None:
        self._stopping = True
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        await asyncio.wait({keeping}, timeout=10)
        keeping.cancel()
        self._zygote.kill()
        self._zygote.wait()


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "marks").mkdir()
    return {
        "NATS_URL": settings.nats_url,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "QDRANT_URL": settings.qdrant_url,
        "CHATTERY_COLLECTION": settings.collection,
        "CHATTERY_BLOBS": settings.blobs,
        "CHATTERY_FETCH_ALLOW": "127.0.0.0/8",
        "CHATTERY_CRAWL_DELAY": "0",
        "CHATTERY_INGEST_LEASE": "3",
        "CHATTERY_RECONCILE_SECONDS": "100000",
        "CHATTERY_FAULT": ",".join(POINTS),
        "CHATTERY_FAULT_MARKS": str(tmp_path / "marks"),
    }


@pytest.fixture
async def killed(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[tuple[Ingest, Service]]:
    """The service in a process of its own, dying once at every point."""
    account, chatbot = new_id("acc"), new_id("bot")
    async with Bus.open(settings, "test") as bus, VectorStore.open(settings) as store:
        await bus.serve(calls.CHATBOT_GET, chatbots({(account, chatbot)}))
        service = Service(environment, tmp_path / "service.out")
        keeping = asyncio.create_task(service.keep())
        try:
            yield Ingest(bus, store, Blobs(settings.blobs), account, chatbot), service
        finally:
            await service.stop(keeping)


async def patiently(ingest: Ingest, endpoint: Any, request: Any) -> Any:
    """An answer from a service that keeps dying, perhaps having accepted it twice."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await ingest.bus.request(
                    endpoint, request, ingest.context, timeout=CALL_TIMEOUT
                )
            except AppError:
                await asyncio.sleep(0.2)


async def settled(service: Service, settings: Settings, ids: list[str]) -> None:
    """Wait until nobody works on these items any more. Looks where no death is felt."""
    url = settings.database_url.get_secret_value()
    end = time.monotonic() + PATIENCE
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("set search_path to ingest; set app.account to '*'")
        while True:
            rows = await connection.execute(
                "select status, semantic, error_message from items where id = any(%s)", (ids,)
            )
            found = await rows.fetchall()
            assert all(status != "failed" for status, _, _ in found), found
            if [one[:2] for one in found] == [("ready", "done")] * len(ids):
                return
            assert time.monotonic() < end, f"{found}\n{service.last_words()}"
            await asyncio.sleep(0.1)


@pytest.mark.timeout(900)  # four times PATIENCE, and the starts
async def test_wherever_it_is_killed_the_end_is_that_of_an_undisturbed_run(
    killed: tuple[Ingest, Service], site: Any, settings: Settings, database: Any
) -> None:
    ingest, service = killed
    links = "".join(f'<a href="/{name}">{name}</a>' for name in ("Oslo", "Bergen", "Tromso"))
    site.pages |= {"/": PAGE.format("Main", links)}
    site.pages |= {f"/{name}": PAGE.format(name, "") for name in ("Oslo", "Bergen", "Tromso")}
    text = calls.CreateItem(chatbot_id=ingest.chatbot, type="text", title="Shop", content=TEXT)
    crawl = calls.Scrape(chatbot_id=ingest.chatbot, url=site.url)

    async def run() -> dict[Any, Any]:
        item = await patiently(ingest, calls.KNOWLEDGE_CREATE, text)
        await settled(service, settings, [item.id])
        pages = await patiently(ingest, calls.KNOWLEDGE_SCRAPE, crawl)
        await settled(service, settings, [item.id, pages.id])
        return await everything(settings, [item.id, pages.id])

    disturbed = await run()
    assert service.deaths.count(signal.SIGKILL) == len(POINTS), service.deaths
    undisturbed = await run()
    assert len(service.deaths) == len(POINTS), "the second run was not undisturbed"
    assert len(disturbed) == 5
    assert disturbed == undisturbed
    assert await strays(settings) == 0


async def everything(settings: Settings, roots: list[str]) -> dict[Any, Any]:
    """All that is stored of some items and the pages under them, without ids and times."""
    url = settings.database_url.get_secret_value()
    found: dict[Any, Any] = {}
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("set search_path to ingest; set app.account to '*'")
        rows = await connection.execute(
            "select c.item_id, c.generation, i.title, c.ordinal, c.text, c.headings, c.dense,"
            " i.status, i.generation, i.lease from chunks c join items i on i.id = c.item_id"
            " where i.id = any(%(r)s) or i.parent_id = any(%(r)s)", {"r": roots},
        )  # fmt: skip
        for item, generation, title, ordinal, *rest, live, lease in await rows.fetchall():
            assert (generation, lease) == (live, None)
            found[title, ordinal] = {"row": rest, "item": (item, live)}
    client = AsyncQdrantClient(url=settings.qdrant_url, check_compatibility=False)
    for about in found.values():
        item, live = about.pop("item")
        about["points"] = await points(client, settings.collection, item, live)
        assert about["points"], "a chunk without a point"
    await client.close()
    return found


async def points(client: AsyncQdrantClient, name: str, item: str, live: int) -> list[Any]:
    """The points of an item, vectors included; all are of the generation that is found."""
    records, _ = await client.scroll(name, limit=1000, with_vectors=True)
    mine = [record for record in records if (record.payload or {})["item"] == item]
    for record in mine:
        payload = record.payload or {}
        assert (payload["generation"], payload["state"]) == (live, "live")
        assert set(record.vector or {}) == {"dense", "terms"}
    left_out = {"item", "generation"}
    return sorted(
        json.dumps(
            [{k: v for k, v in (r.payload or {}).items() if k not in left_out}, vectors(r)],
            sort_keys=True,
        )
        for r in mine
    )


def vectors(record: Any) -> Any:
    terms = record.vector["terms"]
    dense = [round(value, 4) for value in record.vector["dense"]]
    return [dense, sorted(zip(terms.indices, terms.values, strict=True))]


async def strays(settings: Settings) -> int:
    """Points that no row stands behind."""
    url = settings.database_url.get_secret_value()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("set search_path to ingest; set app.account to '*'")
        rows = await connection.execute("select id, generation from items where generation > 0")
        known = set(await rows.fetchall())
    client = AsyncQdrantClient(url=settings.qdrant_url, check_compatibility=False)
    records, _ = await client.scroll(settings.collection, limit=1000)
    await client.close()
    stored = [((r.payload or {})["item"], (r.payload or {})["generation"]) for r in records]
    return sum(one not in known for one in stored)

"""What holds for all knowledge: accounts apart and served in turn, nothing left, no gap."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import web

from libs.common import calls
from libs.common.errors import RemoteError
from libs.common.ids import new_id
from libs.retrieval.embed.packaged import PackagedEmbedder
from services.ingest.service import Settings
from tests.integration.ingest.conftest import Ingest, running
from tests.integration.ingest.samples import pdf
from tests.serving import serving

QUEUED = 40  # pages that one account has waiting


@pytest.fixture
async def neighbour(ingest: Ingest) -> Ingest:
    """Another account in the same service."""
    account, chatbot = new_id("acc"), new_id("bot")
    ingest.known.add((account, chatbot))
    return Ingest(ingest.bus, ingest.store, ingest.blobs, account, chatbot)


async def test_a_long_queue_of_one_account_does_not_keep_another_waiting(
    ingest: Ingest, neighbour: Ingest, site: Any
) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response(
            text="<h1>Page</h1><p>Some text of a page.</p>", content_type="text/html"
        )

    site.pages |= {f"/{number}": slow for number in range(QUEUED)}
    queued = [await ingest.add(type="url", source=f"{site.url}/{n}") for n in range(QUEUED)]
    mine = await neighbour.add(type="text", content="We open at nine.", source="Hours")
    assert (await neighbour.done(mine.id)).status == "ready"
    states = [(await ingest.item(item.id)).status for item in queued]
    assert states.count("pending") > QUEUED / 3, states


async def test_an_account_finds_and_touches_only_its_own(ingest: Ingest, neighbour: Ingest) -> None:
    secret = "The code of the safe is 4711."
    item = await ingest.add(type="text", content=secret, source="Safe")
    await ingest.embedded(item.id)
    assert (await ingest.search("What is the code of the safe?")).data[0].text == secret

    for chatbot in (ingest.chatbot, neighbour.chatbot):
        asked = calls.SearchKnowledge(chatbot_id=chatbot, query="What is the code of the safe?")
        found = await neighbour.call(calls.KNOWLEDGE_SEARCH, asked)
        assert (found.data, found.answerable) == ([], False)
    for endpoint in (calls.KNOWLEDGE_GET, calls.KNOWLEDGE_DELETE, calls.KNOWLEDGE_RESYNC):
        with pytest.raises(RemoteError) as refused:
            await neighbour.call(endpoint, calls.ById(id=item.id))
        assert refused.value.wire_status == 404
    await neighbour.call(
        calls.KNOWLEDGE_ERASE, calls.Erase(chatbot_id=ingest.chatbot, job_id="job_1")
    )
    assert (await ingest.search("What is the code of the safe?")).data


async def test_an_erased_chatbot_leaves_nothing_in_any_store(
    ingest: Ingest, settings: Settings
) -> None:
    items = [
        await ingest.add(type="text", content="We deliver to Norway.", source="Delivery"),
        await ingest.upload("terms.pdf", pdf([("Terms", "Returned within 30 days.")])),
    ]
    for item in items:
        await ingest.embedded(item.id)
    assert await left(settings) == {"items": 2, "chunks": 2, "embeddings": 2, "removals": 0}
    assert len(await ingest.points()) == 2
    assert blobs(settings)

    await ingest.call(calls.KNOWLEDGE_DELETE, calls.ById(id=items[0].id))
    assert await left(settings) == {"items": 1, "chunks": 1, "embeddings": 1, "removals": 0}

    wanted = calls.Erase(chatbot_id=ingest.chatbot, job_id="job_1")
    while not (await ingest.call(calls.KNOWLEDGE_ERASE, wanted)).done:
        await asyncio.sleep(0.05)
    assert set((await left(settings)).values()) == {0}
    assert await ingest.points() == []
    assert blobs(settings) == []


async def test_answers_have_no_gap_while_the_model_changes(
    settings: Settings, embeddings: str
) -> None:
    account, chatbot = new_id("acc"), new_id("bot")
    async with running(settings, account, chatbot) as before:
        item = await before.add(type="text", content="We deliver to Norway.", source="Delivery")
        await before.embedded(item.id)
        old = await before.store.live(fresh=True)

    other = {"embedder": "http", "embeddings_url": embeddings, "embeddings_model": "other"}
    async with running(settings.model_copy(update=other), account, chatbot) as after:
        misses = 0
        async with asyncio.timeout(60):
            while (live := await after.store.live(fresh=True)) == old:
                misses += not (await after.search("Do you deliver to Norway?")).data
                await asyncio.sleep(0.05)
        assert live is not None
        assert live.model == "http:other"
        assert (await after.search("Do you deliver to Norway?")).data[0].knowledge_id == item.id
        assert misses == 0


async def left(settings: Settings) -> dict[str, int]:
    """Rows of each table that holds knowledge."""
    url = settings.database_url.get_secret_value()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("set search_path to ingest; set app.account to '*'")
        found: dict[str, int] = {}
        for table in ("items", "chunks", "embeddings", "removals"):
            rows = await connection.execute(f"select count(*) from {table}")  # type: ignore[arg-type]
            found[table] = (await rows.fetchone() or (0,))[0]
    return found


def blobs(settings: Settings) -> list[Path]:
    folder = Path(settings.blobs.removeprefix("file://"))
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
async def embeddings() -> AsyncIterator[str]:
    """The packaged embedder behind HTTP, as any server of embeddings: its URL."""
    embedder = PackagedEmbedder(model=PackagedEmbedder.as_it_comes)

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        vectors = await embedder.embed_passages(asked["input"])
        data = [{"index": n, "embedding": v.tolist()} for n, v in enumerate(vectors)]
        return web.json_response({"data": data})

    app = web.Application()
    app.router.add_post("/v1/embeddings", answer)
    async with serving(app) as url:
        yield url
    await embedder.close()

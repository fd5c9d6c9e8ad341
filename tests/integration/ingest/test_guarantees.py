"""What holds for all knowledge: accounts apart and served in turn, nothing left, no gap."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from libs.common import calls
from libs.common.errors import RemoteError
from libs.common.ids import new_id
from libs.retrieval.embed.packaged import PackagedEmbedder
from libs.retrieval.passages import StoredPassage
from libs.retrieval.terms import Terms
from libs.retrieval.vectors import NewPoint
from services.ingest import jobs
from services.ingest.crawl import schedule
from services.ingest.service import Settings
from services.ingest.sources import Sources
from tests.integration.ingest.conftest import Ingest, running
from tests.integration.ingest.samples import pdf
from tests.serving import serving

QUEUED = 40  # pages that one account has waiting
ANSWERED = 8  # of them, while another account's item is worked on
CRAWLED = 240  # pages of a crawl that is under way


@pytest.fixture
async def neighbour(ingest: Ingest) -> Ingest:
    """Another account in the same service."""
    account, chatbot = new_id("acc"), new_id("bot")
    ingest.known.add((account, chatbot))
    return Ingest(ingest.bus, ingest.store, ingest.blobs, account, chatbot)


async def test_a_long_queue_of_one_account_does_not_keep_another_waiting(
    ingest: Ingest, neighbour: Ingest, site: Any, settings: Settings
) -> None:
    answers = asyncio.Semaphore(0)

    async def slow(_: web.Request) -> web.Response:
        await answers.acquire()
        return web.Response(
            text="<h1>Page</h1><p>Some text of a page.</p>", content_type="text/html"
        )

    site.pages |= {f"/{number}": slow for number in range(QUEUED)}
    queued = [await ingest.add(type="url", source=f"{site.url}/{n}") for n in range(QUEUED)]
    mine = await neighbour.add(type="text", content="We open at nine.", source="Hours")
    for _ in range(ANSWERED):
        answers.release()
    assert (await neighbour.done(mine.id)).status == "ready"
    states = [(await ingest.item(item.id)).status for item in queued]
    assert states.count("pending") >= QUEUED - ANSWERED - settings.ingest_workers, states


async def test_a_large_crawl_of_one_account_does_not_keep_anothers_page_waiting(
    ingest: Ingest, neighbour: Ingest, site: Any
) -> None:
    links = "".join(f'<a href="/{number}">{number}</a>' for number in range(CRAWLED))
    pages = {
        f"/{n}": f"<h1>Page {n}</h1><p>Page {n} tells of hall {n}.</p>" for n in range(CRAWLED)
    }
    site.pages |= {"/": f"<h1>All</h1><p>All pages.</p>{links}", "/mine": "<h1>Mine</h1><p>Hi.</p>"}
    site.pages |= pages
    crawl = await ingest.scrape(url=f"{site.url}/")
    while (await ingest.item(crawl.id)).progress.indexed < 5:
        await asyncio.sleep(0.05)
    asked = len(site.requests)
    mine = await neighbour.add(type="url", source=f"{site.url}/mine")
    assert (await neighbour.done(mine.id)).status == "ready"
    assert len(site.requests) - asked < CRAWLED / 4
    assert (await ingest.item(crawl.id)).status == "processing"


async def test_poison_ends_failed_after_some_tries_and_the_queue_goes_on(
    ingest: Ingest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BUG_TRIES", 2)
    read = Sources.document

    async def document(self: Sources, item: Any, stage: Any) -> Any:
        if item.title == "Poison":
            raise RuntimeError("our own code stumbles")
        return await read(self, item, stage)

    monkeypatch.setattr(Sources, "document", document)
    poison = await ingest.add(type="text", content="Boom.", title="Poison")
    good = await ingest.add(type="text", content="We open at nine.", title="Hours")
    assert (await ingest.done(good.id)).status == "ready"
    failed = await ingest.done(poison.id)
    assert (failed.status, failed.error.code, failed.attempts) == ("failed", "poison", 2)

    # As a worker leaves it that died of it, the last time of many.
    await sql(
        settings,
        "update items set status = 'processing', crashes = %s, lease = 'dead',"
        " lease_until = now() - interval '1 second' where id = %s",
        jobs.CRASH_TRIES - 1,
        good.id,
    )
    killer = await ingest.done(good.id)
    assert (killer.status, killer.error.code) == ("failed", "poison")
    assert (await ingest.search("When do you open?")).data, "what was indexed stays found"


async def test_readers_find_one_version_of_an_item_while_it_is_replaced(ingest: Ingest) -> None:
    item = await ingest.add(type="text", content="The code of the safe is 0.", title="Safe")
    await ingest.done(item.id)
    seen: list[list[str]] = []

    async def read() -> None:
        while True:
            found = await ingest.search("What is the code of the safe?")
            seen.append([passage.text for passage in found.data])

    reading = asyncio.create_task(read())
    for code in range(1, 8):
        text = f"The code of the safe is {code}."
        await ingest.call(calls.KNOWLEDGE_UPDATE, calls.UpdateItem(id=item.id, content=text))
        await ingest.done(item.id)
    reading.cancel()
    assert {len(texts) for texts in seen} == {1}
    codes = [texts[0] for texts in seen]
    assert codes == sorted(codes)
    assert len(set(codes)) > 3
    assert (await ingest.search("What is the code of the safe?")).data[0].text == text


async def test_the_same_text_is_embedded_once_also_by_two_at_once(ingest: Ingest) -> None:
    def embedded() -> float:
        return (
            REGISTRY.get_sample_value("chattery_ingest_embedded_total", {"from": "embedder"}) or 0
        )

    before = embedded()
    same = [await ingest.add(type="text", content="We open at nine.", title="T") for _ in range(6)]
    for item in same:
        await ingest.embedded(item.id)
    assert embedded() - before == 1


async def test_the_reconciler_repairs_what_differs_both_ways_and_counts_it(
    settings: Settings,
) -> None:
    def repaired(kind: str) -> float:
        return REGISTRY.get_sample_value("chattery_ingest_reconciled_total", {"kind": kind}) or 0

    kinds = ("missing_points", "orphaned_points", "stale_points")
    often = settings.model_copy(update={"reconcile_seconds": 0.3})
    async with running(often, new_id("acc"), new_id("bot")) as ingest:
        kept = await ingest.add(type="text", content="We open at nine.", title="Hours")
        lost = await ingest.add(type="text", content="We deliver to Norway.", title="Delivery")
        for item in (kept, lost):
            await ingest.embedded(item.id)
        right = {point.id: point for point in await ingest.points() if point.item == kept.id}
        before = [repaired(kind) for kind in kinds]
        live = await ingest.store.live()
        assert live is not None
        await ingest.store.remove_points(live, list(right))
        await ingest.store.write(live, [unfinished(ingest, kept.id)])
        await sql(settings, "delete from items where id = %s", lost.id)
        await sql(settings, "update items set updated_at = now() - interval '1 hour'")
        async with asyncio.timeout(30):
            while {point.id: point for point in await ingest.points()} != right or [
                repaired(kind) for kind in kinds
            ] != [had + 1 for had in before]:
                await asyncio.sleep(0.1)
        assert (await ingest.search("When do you open?")).answerable


def unfinished(ingest: Ingest, item: str) -> NewPoint:
    """A point of a version that was never finished."""
    passage = StoredPassage(
        account=ingest.account, chatbot=ingest.chatbot, item=item, generation=99, ordinal=0,
        state="building", kind="text", text="Half.", title="",
    )  # fmt: skip
    return NewPoint(passage, Terms([1], [1.0]))


async def test_a_page_is_looked_at_again_when_its_time_has_come(
    settings: Settings, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "INTERVAL", 0.2)
    since, text = "Wed, 01 Oct 2025 08:00:00 GMT", "The shop opens at nine."

    def page(request: web.Request) -> web.Response:
        if request.headers.get("If-Modified-Since") == since:
            return web.Response(status=304)
        head = {"last-modified": since}
        return web.Response(
            text=f"<h1>Hours</h1><p>{text}</p>", content_type="text/html", headers=head
        )

    async def due(ingest: Ingest, id: str) -> calls.Item:
        asked = len(site.requests)
        await sql(settings, "update items set refresh_at = now() - interval '1 second'")
        async with asyncio.timeout(30):
            while len(site.requests) == asked:
                await asyncio.sleep(0.05)
        return await ingest.done(id)

    site.pages["/hours"] = page
    async with running(settings, new_id("acc"), new_id("bot")) as ingest:
        item = await ingest.add(type="url", source=f"{site.url}/hours", refresh="daily")
        first = await ingest.done(item.id)
        same = await due(ingest, item.id)
        assert (same.status, same.indexed_at) == ("ready", first.indexed_at)

        since, text = "Thu, 02 Oct 2025 08:00:00 GMT", "The shop opens at ten."
        changed = await due(ingest, item.id)
        assert changed.indexed_at > first.indexed_at
        assert "at ten" in (await ingest.search("When does the shop open?")).data[0].text


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


async def sql(settings: Settings, statement: LiteralString, *values: object) -> None:
    """A change behind the service's back."""
    url = settings.database_url.get_secret_value()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("set search_path to ingest; set app.account to '*'")
        await connection.execute(statement, values)


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

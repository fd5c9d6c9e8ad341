"""What a plan allows, each limit with its refusal, also when many come at once."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from libs.common import calls
from libs.common.envelope import Context
from tests.integration.gateway.conftest import (
    NOW,
    OPERATOR,
    PASSWORD,
    Api,
    Start,
    World,
)
from tests.integration.gateway.test_people import login
from tests.shapes import a_chatbot


class Tenant:
    """An account on a small plan, and the services' counts of what it has."""

    def __init__(self, world: World, account: str, api: Api) -> None:
        self.world, self.account, self.api = world, account, api
        self.chatbots = self.items = self.pages = self.messages = 0
        self.crawls: list[calls.Scrape] = []
        for endpoint, handler in (
            (calls.CHAT_USAGE, self._chat),
            (calls.KNOWLEDGE_USAGE, self._knowledge),
            (calls.CHATBOT_CREATE, self._create_chatbot),
            (calls.KNOWLEDGE_CREATE, self._create_item),
            (calls.KNOWLEDGE_SCRAPE, self._scrape),
        ):
            world.behind.on[endpoint.subject] = handler

    async def _chat(self, _: Context, __: Any) -> Any:
        return calls.ChatUsage(chatbots=self.chatbots, messages=self.messages, tokens=0)

    async def _knowledge(self, _: Context, __: Any) -> Any:
        promised = sum(crawl.max_pages for crawl in self.crawls)  # none has begun
        return calls.KnowledgeUsage(
            items=self.items, pages=self.pages, chunks=0, bytes=0, promised=promised
        )

    async def _create_chatbot(self, _: Context, request: Any) -> Any:
        await asyncio.sleep(0.02)  # between counting and adding there is time for others
        self.chatbots += 1
        return a_chatbot(f"bot_{self.chatbots}", name=request.name)

    async def _create_item(self, _: Context, __: Any) -> Any:
        await asyncio.sleep(0.02)
        self.items += 1
        return an_item(f"kn_{self.items}", "text")

    async def _scrape(self, _: Context, request: Any) -> Any:
        await asyncio.sleep(0.02)
        self.crawls.append(request)
        return an_item("kn_crawl", "crawl")


def an_item(item: str, kind: str) -> calls.Item:
    moment = msgspec.convert(NOW, calls.Timestamp)
    return calls.Item(
        id=item,
        chatbot_id="bot_1",
        type=kind,  # type: ignore[arg-type]
        source=None,
        title="",
        status="pending",
        stage="waiting",
        semantic="pending",
        progress=calls.Progress(),
        chunks=0,
        error=None,
        attempts=0,
        refresh="never",
        parent_id=None,
        created_at=moment,
        updated_at=moment,
        indexed_at=None,
    )


async def tenant_of(world: World, plan: str) -> Tenant:
    email = f"{plan}@plans.example"
    made = await world.api.with_(OPERATOR).post(
        "/api/accounts", {"name": plan, "plan": plan, "email": email, "password": PASSWORD}
    )
    return Tenant(world, made.body["accountId"], await login(world.api, email))


@pytest.fixture
async def free(world: World) -> Tenant:
    return await tenant_of(world, "free")


async def is_over(reply: Any, limit: str, most: int) -> None:
    assert (reply.status, reply.code) == (403, "plan_limit_reached"), reply.raw
    assert reply.body["error"]["details"] == {"limit": limit, "max": most}


async def test_chatbots(free: Tenant) -> None:
    assert (await free.api.post("/api/chatbots", {"name": "One"})).status == 201
    await is_over(await free.api.post("/api/chatbots", {"name": "Two"}), "chatbots", 1)


async def test_many_at_once_do_not_all_get_the_last_place(world: World, start: Start) -> None:
    free = await tenant_of(world, "free")
    other = await start(beside=world)
    there = Api(other.api.base, other.api.http, "", free.api.headers)
    replies = await asyncio.gather(
        *(api.post("/api/chatbots", {"name": "x"}) for api in (free.api, there) for _ in range(8))
    )
    assert sorted(r.status for r in replies) == [201] + [403] * 15
    free.items = 17
    item = {"chatbotId": "bot_1", "type": "text", "content": "x"}
    replies = await asyncio.gather(*(free.api.post("/api/knowledge", item) for _ in range(8)))
    assert sorted(r.status for r in replies) == [202] * 3 + [403] * 5


async def test_knowledge_items_and_uploads(free: Tenant) -> None:
    free.items = 20
    item = {"chatbotId": "bot_1", "type": "text", "content": "x"}
    await is_over(await free.api.post("/api/knowledge", item), "knowledgeItems", 20)
    form = aiohttp.FormData()
    form.add_field("chatbotId", "bot_1")
    form.add_field("file", b"text", filename="a.txt")
    await is_over(await free.api.post("/api/knowledge/upload", data=form), "knowledgeItems", 20)
    crawl = {"chatbotId": "bot_1", "url": "https://example.com"}
    await is_over(await free.api.post("/api/knowledge/scrape", crawl), "knowledgeItems", 20)


async def test_crawled_pages(free: Tenant) -> None:
    crawl = {"chatbotId": "bot_1", "url": "https://example.com", "maxPages": 500}
    free.pages = 30
    assert (await free.api.post("/api/knowledge/scrape", crawl)).status == 202
    assert free.crawls.pop().max_pages == 20
    free.pages = 50
    await is_over(await free.api.post("/api/knowledge/scrape", crawl), "pages", 50)


async def test_crawls_at_once_do_not_all_get_the_last_pages(free: Tenant) -> None:
    crawl = {"chatbotId": "bot_1", "url": "https://example.com", "maxPages": 30}
    replies = await asyncio.gather(
        *(free.api.post("/api/knowledge/scrape", crawl) for _ in range(4))
    )
    assert sorted(reply.status for reply in replies) == [202, 202, 403, 403]
    assert sorted(c.max_pages for c in free.crawls) == [20, 30]


@pytest.fixture
def answered(world: World) -> None:
    """Every message has an answer that is finished already."""

    async def ask(_: Context, __: Any) -> Any:
        return calls.Asked(
            conversation_id="conv_1", message_id="msg_1", answer_id="ans_1", visitor_id="vis_1"
        )

    async def answer(_: Context, __: Any) -> Any:
        return calls.AnswerState(
            answer_id="ans_1", conversation_id="conv_1", running=False, frames=['{"text": "x"}']
        )

    world.behind.on[calls.MESSAGE_CREATE.subject] = ask
    world.behind.on[calls.ANSWER_GET.subject] = answer


async def say(world: World, tenant: Tenant, times: int, *others: World) -> list[Any]:
    """A visitor's messages, all at once, at this replica and the others in turn."""
    chatbot = world.behind.chatbot(tenant.account)
    token, _ = world.gateway.visitors.make(tenant.account, chatbot, "vis_1")
    places = [world, *others]
    return await asyncio.gather(
        *(
            places[n % len(places)]
            .somewhere(places[n % len(places)].api.with_(token))
            .post(f"/api/chat/{chatbot}", {"message": "Hello"})
            for n in range(times)
        )
    )


@pytest.mark.usefixtures("answered")
async def test_messages_a_month_over_all_replicas(world: World, start: Start) -> None:
    free = await tenant_of(world, "free")
    other = await start(beside=world)
    free.messages = 97
    replies = await say(world, free, 8, other)
    assert sorted(reply.status for reply in replies) == [200] * 3 + [403] * 5
    over = next(reply for reply in replies if reply.status == 403)
    await is_over(over, "messages", 100)


async def test_a_message_that_was_refused_is_not_one_of_the_months(free: Tenant) -> None:
    free.messages = 98
    for _ in range(2):
        replies = await say(free.world, free, 3)  # nobody plays chat: there is no such chatbot
        assert {reply.status for reply in replies} <= {404, 403}
        assert 404 in {reply.status for reply in replies}


@pytest.mark.usefixtures("answered")
async def test_messages_are_counted_while_redis_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = await tenant_of(world, "free")
    free.messages = 98

    async def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(world.gateway.usage, "_take", away)
    replies = await say(world, free, 5)
    assert sorted(reply.status for reply in replies) == [200] * 2 + [403] * 3


async def test_seats(free: Tenant) -> None:
    reply = await free.api.post("/api/users", {"email": "second@plans.example"})
    await is_over(reply, "seats", 1)


async def test_a_seat_that_was_given_up_and_taken_is_not_to_be_had_again(world: World) -> None:
    pro = await tenant_of(world, "pro")  # five seats, one of them the owner's
    made = [await pro.api.post("/api/users", {"email": f"{n}@plans.example"}) for n in range(4)]
    first = f"/api/users/{made[0].body['id']}"
    assert (await pro.api("PATCH", first, {"status": "disabled"})).status == 200
    assert (await pro.api.post("/api/users", {"email": "5@plans.example"})).status == 201
    await is_over(await pro.api("PATCH", first, {"status": "active"}), "seats", 5)
    assert (await pro.api("PATCH", first, {"name": "Ada"})).status == 200


async def test_api_access_ends_with_the_plan_and_comes_back_with_it(world: World) -> None:
    account, api = await world.account_of("business")
    operator = world.api.with_(OPERATOR)
    assert (await api.get("/api/chatbots")).status == 200
    await operator("PATCH", f"/api/accounts/{account}", {"plan": "pro"})
    refused = await api.get("/api/chatbots")
    assert (refused.status, refused.code) == (403, "plan_without_api")
    await operator("PATCH", f"/api/accounts/{account}", {"plan": "business"})
    assert (await api.get("/api/chatbots")).status == 200


async def test_a_repeat_of_what_took_the_last_place_is_no_refusal(free: Tenant) -> None:
    api = free.api.with_(**{"Idempotency-Key": "last-place"})
    first, again = [await api.post("/api/chatbots", {"name": "One"}) for _ in range(2)]
    assert (first.status, again.status, again.raw) == (201, 201, first.raw)


async def test_plans_are_configuration(start: Start, tmp_path: Any) -> None:
    plans = tmp_path / "plans.json"
    plans.write_text('{"free": {"chatbots": 2, "seats": 1, "apiAccess": true}}')
    world = await start(plans=plans)
    _, api = await world.account_of("free")
    assert (await api.get("/api/account")).body["limits"]["chatbots"] == 2

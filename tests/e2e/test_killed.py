"""Any one process is killed with SIGKILL in the middle of its work: nothing accepted is lost."""

import asyncio
import os
import signal
import time

import aiohttp
import pytest

from tests.conftest import RunningStack
from tests.e2e.client import Api, PatientApi, Receiver

SERVERS = ("nats", "redis", "postgres", "vectors")
SERVICES = ("gateway", "chat", "ingest", "webhooks", "ratelimit")
BACK_TIMEOUT = 120.0  # seconds for a killed process to be back


@pytest.fixture
async def api(session: aiohttp.ClientSession, stack: RunningStack) -> Api:
    """Of a client that comes back after Retry-After: what was refused was not accepted."""
    return PatientApi(session, stack.base_url, stack.api_key)


async def kill(stack, name: str) -> None:
    """SIGKILL one process of the stack and wait until another has taken its place."""
    before = stack.pids()[name]
    os.kill(before, signal.SIGKILL)
    end = time.monotonic() + BACK_TIMEOUT
    while stack.pids()[name] == before:
        assert time.monotonic() < end, f"{name} was not restarted"
        await asyncio.sleep(0.05)


async def ready(api: Api) -> None:
    """Wait until the gateway says that it takes work."""
    end = time.monotonic() + BACK_TIMEOUT
    while True:
        try:
            reply = await api.get("/readyz")
        except OSError:
            reply = None
        if reply is not None and reply.status == 200:
            return
        assert time.monotonic() < end, reply.body if reply else "no answer"
        await asyncio.sleep(0.1)


async def test_ingest_killed_while_it_works_loses_no_item(api: Api, stack) -> None:
    bot = await api.chatbot()
    text = "\n\n".join(f"Paragraph {n} is about lamp number {n}." for n in range(300))
    made = [
        await api.post(
            "/api/knowledge",
            {"chatbotId": bot, "type": "text", "content": f"The code of room {n} is K{n}7. {text}"},
        )
        for n in range(6)
    ]
    assert {m.status for m in made} == {202}

    for _ in range(3):
        await asyncio.sleep(0.4)
        await kill(stack, "ingest")

    items = [await api.settled(m.body["id"], timeout=120) for m in made]
    assert {i["status"] for i in items} == {"ready"}, [i["error"] for i in items]
    assert len({i["chunks"] for i in items}) == 1
    for number in range(6):
        found = await api.post(
            "/api/knowledge/search",
            {"chatbotId": bot, "query": f"code of room {number}", "limit": 10},
        )
        assert any(f"K{number}7" in p["text"] for p in found.body["data"])


async def test_webhooks_killed_in_a_delivery_delivers_it_again(
    api: Api, stack, receiver: Receiver
) -> None:
    bot = await api.chatbot()
    await api.post(
        "/api/webhooks", {"url": receiver.url, "chatbotId": bot, "events": ["new_message"]}
    )
    receiver.delay = 0.5
    answers = [await api.ask(bot, f"Question {n}") for n in range(4)]
    await kill(stack, "webhooks")
    receiver.delay = 0.0

    talks = {a.conversation for a in answers}
    end = time.monotonic() + 60
    while True:
        seen = {
            (r.payload["data"]["conversationId"], r.payload["data"]["sender"])
            for r in receiver.requests
        }
        if len(seen) == 2 * len(talks):
            break
        assert time.monotonic() < end, seen
        await asyncio.sleep(0.2)
    ids = {r.headers["webhook-id"] for r in receiver.requests}
    assert len(ids) == 2 * len(talks)  # what came twice came under the same id


async def test_without_the_rate_limiter_questions_are_still_answered(api: Api, stack) -> None:
    bot = await api.chatbot()
    os.kill(stack.pids()["ratelimit"], signal.SIGKILL)
    assert (await api.ask(bot, "Hello?")).status == 200
    await ready(api)


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_killed_comes_back_with_all_it_had(api: Api, stack, server: str) -> None:
    bot = await api.chatbot()
    await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")

    await kill(stack, server)
    await ready(api)

    end = time.monotonic() + BACK_TIMEOUT
    while True:
        answer = await api.ask(bot, "Where is the office?")
        if answer.status == 200 and "Harbour" in answer.text:
            break
        assert time.monotonic() < end, (answer.status, answer.raw)
        api.address = f"198.52.{int(time.monotonic()) % 250}.{int(time.monotonic() * 10) % 250}"
        await asyncio.sleep(0.5)
    item = await api.post(
        "/api/knowledge", {"chatbotId": bot, "type": "text", "content": "Added after the crash."}
    )
    assert item.status == 202
    assert (await api.settled(item.body["id"]))["status"] == "ready"

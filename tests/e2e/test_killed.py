"""Any one process is killed with SIGKILL in the middle of its work: nothing accepted is lost."""

import asyncio
import os
import signal
import time

import pytest

from tests.e2e.client import Answer, Api, Receiver

SERVERS = ("nats", "redis", "postgres", "vectors")
SERVICES = ("gateway", "chat", "ingest", "webhooks", "ratelimit")
BACK_TIMEOUT = 30.0  # seconds for a killed process to be back


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


async def test_chat_killed_in_an_answer_ends_it_within_seconds(slow_api: Api, slow_stack) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    answer = Answer()

    async def killer() -> None:
        while len(answer.frames) < 3:
            await asyncio.sleep(0.01)
        await kill(slow_stack, "chat")

    killing = asyncio.create_task(killer())
    async for line in slow_api.lines(bot, "Please tell me where the office is", answer):
        answer.feed(line)
    await killing

    assert answer.done
    assert answer.last["finishReason"] in ("complete", "error")
    again = await slow_api.resume(bot, answer.headers["x-answer-id"])
    assert again.frames == answer.frames
    after = await slow_api.ask(bot, "And now?", conversationId=answer.conversation, visitorId=None)
    assert after.status in (200, 400, 404)


async def test_a_conversation_goes_on_after_chat_was_killed(slow_api: Api, slow_stack) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    first = asyncio.create_task(slow_api.ask(bot, "Where is the office?", visitorId="vis_k"))
    await asyncio.sleep(0.3)
    await kill(slow_stack, "chat")
    cut = await first
    assert cut.done

    answer = await slow_api.ask(
        bot, "Where is the office, please?", visitorId="vis_k", conversationId=cut.conversation
    )
    assert answer.last["finishReason"] == "complete"


async def test_gateway_killed_in_an_answer_leaves_it_to_be_resumed(
    slow_api: Api, slow_stack
) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    answer = Answer()
    with pytest.raises(Exception):  # noqa: B017  # the connection breaks, in one of many ways
        async for line in slow_api.lines(bot, "Where is the office?", answer):
            answer.feed(line)
            if len(answer.frames) == 2:
                await kill(slow_stack, "gateway")
        assert answer.done, "it broke"
    await ready(slow_api)

    rest = await slow_api.resume(bot, answer.headers["x-answer-id"], after=len(answer.ids))

    assert rest.done
    assert rest.last["finishReason"] == "complete"
    whole = await slow_api.resume(bot, answer.headers["x-answer-id"])
    assert whole.frames == answer.frames + rest.frames


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

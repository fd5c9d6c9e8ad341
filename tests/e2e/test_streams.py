"""Streams where things go wrong: processes die, proxies stand between, another replica goes on.

After processes died while people talk, the rows, the stream of events and what the clients saw
must agree: each accepted message once, with one answer or one error; each event once, in order.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from libs.common import events
from tests.conftest import RunningStack
from tests.e2e.client import Answer, Api
from tests.e2e.inside import Inside
from tests.e2e.proxies import PROXIES
from tests.e2e.test_killed import kill, ready
from tests.e2e.visitor import Told, Visitor

VISITORS = 50
PATIENCE = 120.0  # seconds
FACT = "The office is at 12 Harbour Street, third floor, behind the old lighthouse and the pier."
LONG = f"{FACT} From the station " + "go left and then right and " * 8 + "there you are."


@pytest.fixture
async def bot(slow_api: Api) -> AsyncIterator[str]:
    made = await slow_api.chatbot()
    await slow_api.knows(made, "Where is the office?", FACT)
    yield made


@pytest.fixture
async def talker(slow_api: Api) -> str:
    """A chatbot whose answer takes seven seconds, unless it is stopped."""
    made = await slow_api.chatbot()
    await slow_api.knows(made, "Where is the office?", LONG)
    return made


@pytest.mark.parametrize("proxy", PROXIES)
async def test_words_pass_a_proxy_as_they_are_written(
    session: aiohttp.ClientSession, slow_api: Api, behind: dict[str, str], talker: str, proxy: str
) -> None:
    """The answer is stopped at its first words: had they been held back, it would have ended."""
    api = Api(session, behind[proxy], slow_api.token)
    answer = Answer()
    async for line in api.lines(talker, "Where is the office?", answer):
        answer.feed(line)
        if len(answer.frames) == 1 and not answer.done:
            stopped = await api.post(
                f"/api/chat/{talker}/answers/{answer.headers['x-answer-id']}/stop"
            )
            assert stopped.status == 202
    assert answer.done
    assert answer.last["finishReason"] == "stopped"
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("proxy", PROXIES)
async def test_an_answer_cut_behind_a_proxy_is_resumed_by_its_last_event_id(
    session: aiohttp.ClientSession, slow_api: Api, behind: dict[str, str], bot: str, proxy: str
) -> None:
    api = Api(session, behind[proxy], slow_api.token)
    first = Answer()
    async for line in api.lines(bot, "Where is the office?", first):
        first.feed(line)
        if len(first.frames) == 2:
            break
    id = first.headers["x-answer-id"]
    rest = Answer()
    url = f"{api.base}/api/chat/{bot}/answers/{id}"
    headers = api.headers(**{"Last-Event-ID": first.ids[1]})
    async with session.get(url, headers=headers) as response:
        assert response.status == 200
        async for line in response.content:
            rest.feed(line)
    whole = await slow_api.resume(bot, id)
    assert rest.done
    assert whole.last["finishReason"] == "complete"
    assert first.frames + rest.frames == whole.frames


async def test_a_quiet_stream_is_kept_open_through_proxies(
    session: aiohttp.ClientSession, slow_api: Api, behind: dict[str, str]
) -> None:
    """Comments come through, far more often than any proxy's patience ends."""

    async def ping(base: str) -> bytes:
        api = Api(session, base, slow_api.token)
        url = f"{base}/api/inbox/events"
        async with session.get(url, headers=api.headers()) as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b":"):
                    return line
        raise AssertionError("the stream ended")

    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*map(ping, behind.values())) == [b": ping\n"] * len(behind)


async def test_an_answer_is_followed_and_stopped_at_another_replica(
    session: aiohttp.ClientSession, slow_api: Api, replica: str, talker: str
) -> None:
    other = Api(session, replica, slow_api.token)
    here, there = Answer(), Answer()

    async def follow() -> None:
        async with session.get(
            f"{replica}/api/chat/{talker}/answers/{here.headers['x-answer-id']}?after=1",
            headers=other.headers(),
        ) as response:
            async for line in response.content:
                there.feed(line)
                if len(there.frames) == 2:
                    url = f"/api/chat/{talker}/answers/{here.headers['x-answer-id']}/stop"
                    assert (await other.post(url)).status == 202

    following: asyncio.Task[None] | None = None
    async for line in slow_api.lines(talker, "Where is the office?", here):
        here.feed(line)
        if len(here.frames) == 1 and following is None:
            following = asyncio.create_task(follow())
    assert following is not None
    await following
    assert here.last["finishReason"] == "stopped"
    assert here.frames[1:] == there.frames


# -- processes that die ----------------------------------------------------------------------


@pytest.fixture
def inside(slow_stack: RunningStack) -> Inside:
    return Inside(slow_stack)


async def test_chat_killed_in_an_answer_ends_it_and_the_conversation_goes_on(
    slow_api: Api, slow_stack: RunningStack
) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", FACT)
    answer = Answer()

    async def killer() -> None:
        while len(answer.frames) < 3:
            await asyncio.sleep(0.01)
        await kill(slow_stack, "chat")

    killing = asyncio.create_task(killer())
    async for line in slow_api.lines(bot, "Where is the office?", answer, visitorId="vis_k"):
        answer.feed(line)
    await killing

    assert answer.done
    assert answer.last["finishReason"] == "error"
    assert answer.last["error"]["code"] == "interrupted"
    again = await slow_api.resume(bot, answer.headers["x-answer-id"])
    assert again.frames == answer.frames
    after = await slow_api.ask(
        bot, "Where is the office, please?", visitorId="vis_k", conversationId=answer.conversation
    )
    assert after.last["finishReason"] == "complete"


async def test_chat_told_to_stop_ends_the_answers_it_writes(
    slow_api: Api, slow_stack: RunningStack
) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", FACT)
    answers = [Answer() for _ in range(4)]

    async def read(answer: Answer) -> None:
        async for line in slow_api.lines(bot, "Where is the office?", answer):
            answer.feed(line)

    reading = [asyncio.create_task(read(answer)) for answer in answers]
    while not all(answer.frames for answer in answers):
        await asyncio.sleep(0.02)
    os.kill(slow_stack.pids()["chat"], signal.SIGTERM)
    await asyncio.gather(*reading)
    assert [a.last["finishReason"] for a in answers] == ["complete"] * len(answers)
    await ready(slow_api)


async def test_gateway_killed_in_an_answer_leaves_it_to_be_resumed(
    slow_api: Api, slow_stack: RunningStack
) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", FACT)
    answer = Answer()
    with pytest.raises(Exception):  # noqa: B017  # the connection breaks, in one of many ways
        async for line in slow_api.lines(bot, "Where is the office?", answer):
            answer.feed(line)
            if len(answer.frames) == 2:
                await kill(slow_stack, "gateway")
        assert answer.done, "it broke"
    await ready(slow_api)

    rest = await slow_api.resume(bot, answer.headers["x-answer-id"], after=len(answer.frames))

    assert rest.done
    assert rest.last["finishReason"] == "complete"
    whole = await slow_api.resume(bot, answer.headers["x-answer-id"])
    assert whole.frames == answer.frames + rest.frames


async def test_a_gateway_told_to_stop_finishes_its_streams_and_refuses_new_ones(
    slow_api: Api, slow_stack: RunningStack, talker: str
) -> None:
    before = slow_stack.pids()["gateway"]
    answer = Answer()
    late: list[tuple[int, str | None]] = []

    async def stop_it() -> None:
        while len(answer.frames) < 2:
            await asyncio.sleep(0.01)
        os.kill(before, signal.SIGTERM)
        while (await slow_api.get("/readyz")).status == 200:
            await asyncio.sleep(0.02)
        for method, path, body in (
            ("GET", "/readyz", None),
            ("POST", f"/api/chat/{talker}", {"message": "And another thing"}),
            ("GET", "/api/inbox/events", None),
            ("GET", "/api/me", None),
        ):
            late.append(await asked(slow_api, method, path, body))

    stopping = asyncio.create_task(stop_it())
    async for line in slow_api.lines(talker, "Please tell me where the office is", answer):
        answer.feed(line)
    await stopping

    assert answer.done
    assert answer.last["finishReason"] == "complete"
    assert late == [(503, None), (503, "1"), (503, "1"), (200, None)]
    end = time.monotonic() + 60
    while slow_stack.pids()["gateway"] == before:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    await ready(slow_api)


async def asked(api: Api, method: str, path: str, body: object) -> tuple[int, str | None]:
    """Status and Retry-After, over a connection of its own."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, api.base + path, json=body, headers=api.headers()) as got,
    ):
        assert got.headers["Connection"] == "close"
        return got.status, got.headers.get("Retry-After")


async def test_whatever_dies_each_message_has_one_answer_and_each_event_is_sent_once(
    slow_api: Api, slow_stack: RunningStack, inside: Inside
) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", FACT)
    over = asyncio.Event()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        crowd = [
            Visitor(http, slow_api.base, slow_api.token, bot, f"vis_{n}") for n in range(VISITORS)
        ]

        async def talk(visitor: Visitor) -> None:
            while not over.is_set():
                await visitor.ask("Where is the office?")

        talking = [asyncio.create_task(talk(visitor)) for visitor in crowd]
        for names in (("chat",), ("gateway",), ("nats",), ("postgres",), ("redis", "vectors")):
            await asyncio.sleep(random.uniform(0.3, 1.2))
            await asyncio.gather(*(kill(slow_stack, name) for name in names))
            await ready(slow_api)
        over.set()
        await asyncio.gather(*talking)

    told = {t.id: t for visitor in crowd for t in visitor.told}
    await _check_rows(inside, bot, told)
    _check_events(await inside.events(bot), await _messages(inside, bot))


async def _messages(inside: Inside, bot: str) -> list[dict[str, Any]]:
    return await inside.rows(
        "select id, conversation_id, sender, text, client_message_id, answer_id from messages"
        " where chatbot_id = %s order by id",
        bot,
    )


async def _check_rows(inside: Inside, bot: str, told: dict[str, Told]) -> None:
    """What was stored is what the clients saw."""
    messages = await _messages(inside, bot)
    asked = Counter(m["client_message_id"] for m in messages if m["sender"] == "visitor")
    assert asked == Counter(dict.fromkeys(told, 1))
    answers = await inside.rows("select * from answers where chatbot_id = %s", bot)
    assert Counter(a["id"] for a in answers) == Counter({t.answer: 1 for t in told.values()})
    stored = {a["id"]: a for a in answers}
    said = Counter(m["answer_id"] for m in messages if m["sender"] == "bot")
    for one in told.values():
        answer = stored[one.answer]
        assert answer["finished_at"] is not None
        assert answer["status"] in ("complete", "error")
        assert said[one.answer] == 1
        assert [number for number, _ in one.frames] == list(range(1, len(one.frames) + 1))
        frames = [json.loads(frame) for frame in answer["frames"]]
        assert one.last == frames[-1]
        assert one.last["finishReason"] == answer["status"]
        if answer["status"] == "complete":
            assert [frame for _, frame in one.frames] == frames


def _check_events(sent: list[events.Event], messages: list[dict[str, Any]]) -> None:
    """Each change was told once; of a conversation in the order in which it happened."""
    assert max(Counter(event.id for event in sent).values()) == 1
    talks = {m["conversation_id"] for m in messages}
    begun = Counter(e.key for e in sent if e.name == "new_conversation")
    assert begun == Counter(dict.fromkeys(talks, 1))
    for talk in talks:
        names = [(e.name, getattr(e.data, "message_id", "")) for e in sent if e.key == talk]
        mine = [m["id"] for m in messages if m["conversation_id"] == talk]
        assert names[0] == ("new_conversation", "")
        ids = [e.id for e in sent if e.key == talk and e.name == "new_conversation"]
        assert ids[0] == min(e.id for e in sent if e.key == talk)  # replays go by it
        assert Counter(names[1:]) == Counter(("new_message", id) for id in mine)
        questions = [
            m["id"] for m in messages if m["conversation_id"] == talk and m["client_message_id"]
        ]
        assert [id for _, id in names if id in questions] == questions

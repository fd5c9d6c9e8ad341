"""The main endpoint: frames as documented, resumed from anywhere, whole as JSON."""

import asyncio
from typing import Any

import msgspec
import pytest

from libs.common import calls
from libs.common.envelope import Context
from libs.common.errors import NotFound
from libs.common.frames import Frame, last_data, text_data
from tests.integration.gateway.conftest import Api, Behind, World

CONVERSATION = "conv_xyz789"
WORDS = ("You can reset your ", "password by clicking ", "the 'Forgot Password' link.")


class Answerer:
    """Plays the chat service: says its words on the bus, remembers finished answers."""

    def __init__(self, behind: Behind) -> None:
        self.behind = behind
        self.pause = 0.0
        self.words: tuple[str, ...] = WORDS
        self.stop_after: int | None = None
        self.answers: dict[str, list[bytes]] = {}
        self.by_message: dict[str, str] = {}
        self.running: set[str] = set()
        behind.on[calls.MESSAGE_CREATE.subject] = self.ask
        behind.on[calls.ANSWER_GET.subject] = self.state

    async def ask(self, ctx: Context, request: calls.Ask) -> calls.Asked:
        if self.behind.chatbots.get(request.chatbot_id) != ctx.account:
            raise NotFound
        assert isinstance(request.answer_id, str)
        known = self.by_message.get(request.client_message_id or "")
        answer = known or request.answer_id
        if known is None:
            self.by_message[request.client_message_id or answer] = answer
            self.running.add(answer)
            self.behind.bus.spawn(self.say(answer))
        return calls.Asked(
            conversation_id=request.conversation_id or CONVERSATION,
            visitor_id=request.visitor_id or "vis_made",
            message_id="msg_1",
            answer_id=answer,
            repeated=known is not None,
        )

    async def say(self, answer: str) -> None:
        data = [text_data(word, CONVERSATION) for word in self.words]
        rest = {"messageId": "msg_2", "answerId": answer, "finishReason": "complete", "sources": []}
        data.append(last_data(CONVERSATION, rest))
        self.answers[answer] = data
        for n, part in enumerate(data, start=1):
            if self.stop_after is not None and n > self.stop_after:
                break
            await asyncio.sleep(self.pause)
            frame = Frame(n, part, last=n == len(data))
            await self.behind.bus.publish(f"answers.{answer}", frame.on_bus())
        self.running.discard(answer)

    async def state(self, _: Context, request: calls.GetAnswer) -> calls.AnswerState:
        if request.answer_id not in self.answers:
            raise NotFound
        running = request.answer_id in self.running
        data = self.answers[request.answer_id]
        return calls.AnswerState(
            answer_id=request.answer_id,
            conversation_id=CONVERSATION,
            running=running,
            frames=[] if running else [part.decode() for part in data],
        )


@pytest.fixture
def answerer(world: World) -> Answerer:
    return Answerer(world.behind)


@pytest.fixture
def chatbot(world: World) -> str:
    return world.behind.chatbot(world.account)


def parts(raw: bytes) -> list[dict[str, Any]]:
    blocks = [block for block in raw.decode().split("\n\n") if block.startswith(("id:", "data:"))]
    found = []
    for block in blocks:
        data = block.split("data: ", 1)[1]
        found.append({} if data == "[DONE]" else msgspec.json.decode(data))
    return found


async def test_an_answer_is_streamed_byte_for_byte_as_documented(
    api: Api, answerer: Answerer, chatbot: str
) -> None:
    reply = await api.post(f"/api/chat/{chatbot}", {"message": "How do I reset my password?"})
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/event-stream"
    assert reply.headers["x-conversation-id"] == CONVERSATION
    answer = reply.headers["x-answer-id"]
    lines = [line for line in reply.raw.decode().split("\n") if line and not line.startswith(":")]
    assert lines[:4] == [
        f"id: {answer}:1",
        'data: {"text": "You can reset your ", "conversationId": "conv_xyz789"}',
        f"id: {answer}:2",
        'data: {"text": "password by clicking ", "conversationId": "conv_xyz789"}',
    ]
    assert lines[-1] == "data: [DONE]"
    last = parts(reply.raw)[-2]
    assert last["text"] == ""
    assert last["finishReason"] == "complete"
    assert last["messageId"] == "msg_2"


async def test_the_same_answer_comes_whole_as_json(
    api: Api, answerer: Answerer, chatbot: str
) -> None:
    reply = await api.post(
        f"/api/chat/{chatbot}", {"message": "Hello"}, headers={"Accept": "application/json"}
    )
    assert reply.status == 200
    assert reply.body["text"] == "".join(WORDS)
    assert reply.body["visitorId"] == "vis_made"
    assert reply.body["finishReason"] == "complete"
    assert reply.body["conversationId"] == CONVERSATION


async def test_a_finished_answer_is_streamed_again_from_any_frame(
    api: Api, answerer: Answerer, chatbot: str
) -> None:
    first = await api.post(f"/api/chat/{chatbot}", {"message": "Hello"})
    answer = first.headers["x-answer-id"]
    path = f"/api/chat/{chatbot}/answers/{answer}"
    again = await api.get(path)
    assert parts(again.raw) == parts(first.raw)
    rest = await api.get(path, headers={"Last-Event-ID": f"{answer}:2"})
    assert parts(rest.raw) == parts(first.raw)[2:]
    assert parts((await api.get(f"{path}?after=3")).raw) == parts(first.raw)[3:]


async def test_a_running_answer_is_resumed_without_a_gap_or_a_repeat(
    world: World, api: Api, answerer: Answerer, chatbot: str
) -> None:
    from libs.common import streams

    await streams.ensure(world.gateway.bus.js, streams.ANSWERS)
    answerer.pause = 0.15
    answerer.words = tuple(f"word {n} " for n in range(12))
    async with api.http.post(
        f"{api.base}/api/chat/{chatbot}",
        json={"message": "Hello"},
        headers={"Authorization": f"Bearer {api.key}"},
    ) as started:
        answer = started.headers["x-answer-id"]
        await started.content.readuntil(b"\n\n")
    resumed = await api.get(f"/api/chat/{chatbot}/answers/{answer}?after=1")
    texts = [part["text"] for part in parts(resumed.raw)[:-1]]
    assert texts == [*answerer.words[1:], ""]


async def test_frames_lost_on_the_way_are_made_up_for(
    api: Api, answerer: Answerer, chatbot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.answers.PING_EVERY", 0.2)
    answerer.stop_after = 1  # the others never reach the bus; the answer is finished all the same
    reply = await api.post(f"/api/chat/{chatbot}", {"message": "Hello"})
    assert [part.get("text") for part in parts(reply.raw)] == [*WORDS, "", None]


async def test_silence_is_filled_with_comments(
    api: Api, answerer: Answerer, chatbot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.answers.PING_EVERY", 0.1)
    answerer.pause = 0.3
    reply = await api.post(f"/api/chat/{chatbot}", {"message": "Hello"})
    assert b"\n: ping\n\n" in b"\n" + reply.raw
    assert [part.get("text") for part in parts(reply.raw)] == [*WORDS, "", None]


async def test_a_chatbot_that_is_not_there_is_refused_before_the_stream(
    api: Api, answerer: Answerer
) -> None:
    reply = await api.post("/api/chat/bot_unknown", {"message": "Hello"})
    assert reply.status == 404
    assert reply.code == "not_found"


async def test_an_idempotency_key_resumes_the_same_answer(
    api: Api, answerer: Answerer, chatbot: str
) -> None:
    headers = {"Idempotency-Key": "chat-1"}
    first = await api.post(f"/api/chat/{chatbot}", {"message": "Hello"}, headers=headers)
    again = await api.post(f"/api/chat/{chatbot}", {"message": "Hello"}, headers=headers)
    assert again.headers["x-answer-id"] == first.headers["x-answer-id"]
    assert parts(again.raw) == parts(first.raw)
    assert len(answerer.answers) == 1
    other = await api.post(f"/api/chat/{chatbot}", {"message": "Bye"}, headers=headers)
    assert (other.status, other.code) == (422, "idempotency_mismatch")


async def test_a_message_sent_twice_is_answered_once(
    api: Api, answerer: Answerer, chatbot: str
) -> None:
    body = {"message": "Hello", "clientMessageId": "m-1"}
    first = await api.post(f"/api/chat/{chatbot}", body)
    again = await api.post(f"/api/chat/{chatbot}", body)
    assert again.headers["x-answer-id"] == first.headers["x-answer-id"]
    assert len(answerer.answers) == 1


async def test_the_eleventh_question_of_an_address_within_a_minute_waits(
    world: World, answerer: Answerer, chatbot: str
) -> None:
    here, there = world.somewhere(), world.somewhere()
    for n in range(10):
        reply = await here.post(f"/api/chat/{chatbot}", {"message": f"Question {n}"})
        assert reply.status == 200
        assert reply.headers["RateLimit-Policy"] == '"chat";q=10;w=60'
        assert reply.headers["RateLimit"].startswith(f'"chat";r={9 - n};t=')
    refused = await here.post(f"/api/chat/{chatbot}", {"message": "One more"})
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert 30 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert (await there.post(f"/api/chat/{chatbot}", {"message": "Hello"})).status == 200

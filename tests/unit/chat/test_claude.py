"""A model's words that are known to be its last: nobody need wait whether more come."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from libs.retrieval.passages import Passages
from services.chat import texts
from services.chat.answerers.claude import ClaudeAnswerer, Model
from services.chat.answerers.extractive import deltas
from services.chat.answerers.port import Delta, Question
from tests.shapes import a_chatbot

TEXT = {"type": "content_block_start", "content_block": {"type": "text"}}
TOOL = {
    "type": "content_block_start",
    "content_block": {"type": "tool_use", "id": "t", "name": "search_knowledge"},
}


def _said(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}


def _stopped(reason: str) -> list[dict[str, Any]]:
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}}
    return [end, {"type": "message_stop"}]


async def _pieces(*replies: Sequence[dict[str, Any]]) -> list[Delta]:
    """What is read of a model each of whose replies comes in one piece."""
    bodies = iter(b"".join(b"data: %b\n\n" % json.dumps(e).encode() for e in r) for r in replies)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=next(bodies), content_type="text/event-stream")

    async def nothing(_: str) -> Passages:
        return Passages(passages=[], answerable=False, confidence=0.0)

    async def unrelated(_: str, __: object) -> None: ...

    question = Question(
        chatbot=a_chatbot("bot_1", name="Help"),
        language="en",
        text="How?",
        asked="How?",
        history=[],
        passages=[],
        search=nothing,
        relate=unrelated,
    )
    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        async with ClaudeAnswerer.open("key", url, (Model("m"),)) as answerer:
            return [p async for p in answerer.answer(question) if isinstance(p, Delta)]


@pytest.fixture(scope="module", autouse=True)
def languages() -> None:
    """Read as the service does at its start: from files."""
    texts.load()


async def test_the_words_that_come_with_the_end_are_the_last() -> None:
    assert await _pieces([TEXT, _said("All "), _said("of it."), *_stopped("end_turn")]) == [
        Delta("All of it.", last=True)
    ]


async def test_words_before_a_search_are_not_the_last() -> None:
    searching = [TEXT, _said("One moment. "), TOOL, *_stopped("tool_use")]
    assert await _pieces(searching, [TEXT, _said("Found."), *_stopped("end_turn")]) == [
        Delta("One moment."),  # a space may belong to a mark that is cut
        Delta(" Found.", last=True),
    ]


def test_of_the_pieces_of_a_text_the_last_says_so() -> None:
    text = "word " * 30
    pieces = deltas(text)
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.last for piece in pieces] == [False, False, True]

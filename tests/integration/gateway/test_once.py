"""``Idempotency-Key``: every POST of the table, repeated; and the ways in which it may go wrong."""

import asyncio
from typing import Any

import aiohttp
import pytest

from libs.common import calls
from libs.common.envelope import Context
from libs.common.errors import Unavailable
from services.gateway.idempotency import Idempotency
from services.gateway.routes import ROUTES
from services.gateway.row import Route
from tests.integration.gateway.conftest import EMAIL, OPERATOR, PASSWORD, Api, World
from tests.integration.gateway.test_tenancy import row, send

POSTS = [route for route in ROUTES if route.method == "POST"]
# A streamed answer is followed again rather than replayed, an upload is multipart, and what ends
# a session can't come twice with it: each has a test of its own.
APART = {"/api/chat/{chatbotId}", "/api/knowledge/upload", "/api/auth/logout"}


async def as_allowed(world: World, route: Route) -> Api:
    """A client whose credentials the route takes."""
    if route.auth == "operator":
        return world.api.with_(OPERATOR)
    if route.auth == "session":
        reply = await world.api.with_("").post(
            "/api/auth/login", {"email": EMAIL, "password": PASSWORD}
        )
        return world.api.with_("", Cookie=reply.headers["Set-Cookie"].partition(";")[0])
    return world.api.with_("") if route.auth == "none" else world.api


async def test_every_post_of_the_table_honours_an_idempotency_key(world: World) -> None:
    for number, route in enumerate(POSTS):
        if route.path in APART:
            continue
        api = world.somewhere(await as_allowed(world, route))
        api = api.with_(**{"Idempotency-Key": f"every-{number}"})
        first = await send(api, route)
        asked = len(world.behind.asked)
        again = await send(api, route)
        if first.status in (401, 403):  # these say nothing about the request, and are not kept
            assert "Idempotency-Replayed" not in again.headers, row(route)
            continue
        assert (row(route), first.status) == (row(route), again.status)
        assert again.headers["Idempotency-Replayed"] == "true", row(route)
        assert again.raw == first.raw, row(route)
        assert len(world.behind.asked) == asked, row(route)


async def test_every_post_refuses_a_key_that_came_with_another_request(world: World) -> None:
    path = "/api/knowledge/search"
    world.behind.on[calls.KNOWLEDGE_SEARCH.subject] = found_nothing
    api = world.api.with_(**{"Idempotency-Key": "other"})
    body = {"chatbotId": world.behind.chatbot(world.account), "query": "one"}
    assert (await api.post(path, body)).status == 200
    for changed in ({**body, "query": "two"}, {**body, "limit": 7}):
        reply = await api.post(path, changed)
        assert (reply.status, reply.code) == (422, "idempotency_mismatch")


async def found_nothing(_: Context, __: Any) -> Any:
    return calls.SearchResult(data=[], answerable=False)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    reply = await world.api.with_(**{"Idempotency-Key": key}).post("/api/chatbots", {"name": "x"})
    assert (reply.status, reply.body["error"]["details"]) == (400, {"field": "Idempotency-Key"})


async def test_a_repeated_login_gets_the_same_session(world: World) -> None:
    api = world.api.with_("", **{"Idempotency-Key": "login"})
    body = {"email": EMAIL, "password": PASSWORD}
    replies = [await api.post("/api/auth/login", body) for _ in range(2)]
    cookies = {reply.headers["Set-Cookie"].partition(";")[0] for reply in replies}
    assert len(cookies) == 1
    assert (await world.api.with_("", Cookie=cookies.pop()).get("/api/me")).status == 200


async def test_a_replay_carries_the_etag_of_the_first(world: World) -> None:
    api = world.api.with_(**{"Idempotency-Key": "etag"})
    first, again = [await api.post("/api/chatbots", {"name": "One"}) for _ in range(2)]
    assert first.headers["ETag"] == again.headers["ETag"] == '"v1"'


async def test_a_wrong_password_is_judged_anew_under_the_same_key(world: World) -> None:
    api = world.api.with_("", **{"Idempotency-Key": "wrong"})
    body = {"email": EMAIL, "password": "not the password"}
    replies = [await api.post("/api/auth/login", body) for _ in range(2)]
    assert [r.status for r in replies] == [401, 401]
    assert "Idempotency-Replayed" not in replies[1].headers


# -- uploads ---------------------------------------------------------------------------------


def form(chatbot: str, content: bytes) -> aiohttp.FormData:
    made = aiohttp.FormData()
    made.add_field("chatbotId", chatbot)
    made.add_field("file", content, filename="a.txt")
    return made


async def test_an_upload_repeated_is_taken_once(world: World) -> None:
    taken: list[Any] = []

    async def take(_: Context, request: Any) -> Any:
        taken.append(request)
        return calls.Items(data=[])

    world.behind.on[calls.KNOWLEDGE_UPLOAD.subject] = take
    chatbot = world.behind.chatbot(world.account)
    api = world.api.with_(**{"Idempotency-Key": "upload"})
    first = await api.post("/api/knowledge/upload", data=form(chatbot, b"one"))
    again = await api.post("/api/knowledge/upload", data=form(chatbot, b"one"))
    other = await api.post("/api/knowledge/upload", data=form(chatbot, b"two"))
    assert (first.status, again.status, again.raw) == (202, 202, first.raw)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    assert len(taken) == 1
    kept = await blobs(world)
    assert [name.rpartition("/")[2] for name in kept] == [taken[0].files[0].upload_id]


async def blobs(world: World) -> list[str]:
    folder = world.settings.blobs.removeprefix("file://")
    from pathlib import Path

    return [str(path) for path in Path(folder).rglob("*") if path.is_file()]


# -- trouble ---------------------------------------------------------------------------------


async def test_work_that_was_done_is_not_called_failed_for_want_of_a_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable

    monkeypatch.setattr(Idempotency, "finish", away)
    api = world.api.with_(**{"Idempotency-Key": "unkept"})
    assert (await api.post("/api/chatbots", {"name": "One"})).status == 201
    again = await api.post("/api/chatbots", {"name": "One"})
    assert (again.status, again.code) == (409, "idempotency_in_flight")
    assert len(world.behind.chatbots) == 1


async def test_a_client_that_leaves_in_the_middle_of_an_answer_gets_the_same_one_again(
    world: World,
) -> None:
    asked: list[Any] = []

    async def ask(_: Context, request: Any) -> Any:
        asked.append(request)
        return calls.Asked(
            conversation_id="conv_1",
            message_id="msg_1",
            answer_id=request.answer_id,
            visitor_id="vis_1",
        )

    async def answer(_: Context, request: Any) -> Any:
        return calls.AnswerState(
            answer_id=request.answer_id,
            conversation_id="conv_1",
            running=False,
            frames=['{"text": "x"}'],
        )

    world.behind.on[calls.MESSAGE_CREATE.subject] = ask
    world.behind.on[calls.ANSWER_GET.subject] = answer
    path = f"/api/chat/{world.behind.chatbot(world.account)}"
    headers = {
        "Authorization": f"Bearer {world.api.key}",
        "Idempotency-Key": "left",
        "X-Forwarded-For": "203.0.113.77",
    }
    body = {"message": "Hello"}
    async with world.api.http.post(world.api.base + path, headers=headers, json=body) as got:
        assert got.status == 200
        begun = got.headers["x-answer-id"]
        got.close()  # as a visitor who closes the page
    await asyncio.sleep(0.3)
    async with world.api.http.post(world.api.base + path, headers=headers, json=body) as got:
        assert (got.status, got.headers["x-answer-id"]) == (200, begun)
        assert b'{"text": "x"}' in await got.read()
    assert len(asked) == 1

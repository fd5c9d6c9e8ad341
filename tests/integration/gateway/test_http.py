"""HTTP at its edges: one error shape, bounds, slow and hostile clients, conditions, repeats."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import yarl
from jsonschema import Draft202012Validator

from libs.common import calls
from libs.common.envelope import Context
from libs.common.errors import PreconditionFailed
from services.gateway.site import contract
from tests.integration.gateway.conftest import EMAIL, PASSWORD, Api, Reply, World
from tests.shapes import a_chatbot


async def raw(world: World, request: bytes, *, wait: float = 30.0) -> bytes:
    """Bytes as they are; what came back until the server closed or was silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.port)
    writer.write(request)
    await writer.drain()
    got = b""
    try:
        async with asyncio.timeout(wait):
            while part := await reader.read(65_536):
                got += part
                if b"\r\n\r\n" in got and b"}" in got.partition(b"\r\n\r\n")[2]:
                    break
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return got


def is_error(reply: Reply, status: int, code: str) -> None:
    assert (reply.status, reply.code) == (status, code), reply.raw
    assert set(reply.body["error"]) == {"code", "message", "details"}
    assert reply.headers["x-request-id"]
    assert reply.headers["Content-Type"] == "application/json"


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/api/nothing", {}, 404, "no_such_route"),
    ("GET", "/api/chatbots/", {}, 404, "no_such_route"),
    ("PUT", "/api/chatbots", {}, 405, "method_not_allowed"),
    ("TRACE", "/api/chatbots", {}, 405, "method_not_allowed"),
    ("OPTIONS", "/api/chatbots", {}, 405, "method_not_allowed"),
    ("POST", "/api/chatbots", {"data": b"{"}, 400, "malformed_json"),
    ("POST", "/api/chatbots", {"data": b"\xff\xfe"}, 400, "malformed_json"),
    ("POST", "/api/chatbots", {"data": b"[" * 50_000}, 400, "malformed_json"),
    (
        "POST",
        "/api/chatbots",
        {"data": b'{"name": ' + b"[" * 90 + b"]" * 90 + b"}"},
        400,
        "malformed_json",
    ),
    ("POST", "/api/chatbots", {"data": b"[]"}, 400, "invalid_request"),
    ("POST", "/api/chatbots", {"data": b""}, 400, "invalid_request"),
    ("POST", "/api/chatbots", {"data": b'{"name": 5}'}, 400, "invalid_request"),
    ("POST", "/api/chatbots", {"data": b'{"name": "a\\u0000b"}'}, 400, "invalid_request"),
    ("POST", "/api/chatbots", {"data": b'{"name": "x", "nmae": 1}'}, 400, "unknown_field"),
    (
        "POST",
        "/api/chatbots",
        {"data": b'{"name": "x", "widget": {"enbled": true}}'},
        400,
        "unknown_field",
    ),
    ("POST", "/api/chatbots?name=x", {"data": b'{"name": "x"}'}, 400, "unknown_field"),
    (
        "POST",
        "/api/chatbots",
        {"data": b'{"name": "' + b"x" * (1 << 20) + b'"}'},
        413,
        "payload_too_large",
    ),
    ("GET", "/api/chatbots?limit=0", {}, 400, "invalid_request"),
    ("GET", "/api/chatbots?limit=101", {}, 400, "invalid_request"),
    ("GET", "/api/chatbots?limit=x", {}, 400, "invalid_request"),
    ("GET", "/api/chatbots?limt=5", {}, 400, "unknown_field"),
    ("GET", "/api/chatbots?q=%ff", {}, 400, "invalid_request"),
    ("GET", "/api/chatbots/" + "x" * 500, {}, 404, "not_found"),
    ("GET", "/api/keys?cursor=%25%25", {}, 400, "invalid_request"),
    (
        "GET",
        "/api/conversations/conv_1/events?after=99999999999999999999",
        {},
        400,
        "invalid_request",
    ),
    ("POST", "/api/knowledge/upload", {"data": b"{}"}, 415, "unsupported_media_type"),
    ("GET", "/api/chat/bot_1/answers/a%20b", {}, 404, "not_found"),
    ("GET", "/api/chat/bot_1/answers/%3E", {}, 404, "not_found"),
    ("GET", "/api/chat/bot_1/answers/a%0d%0ab", {}, 404, "not_found"),
]


async def test_every_refusal_has_the_one_shape(api: Api) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api.key}"}
    for method, path, options, status, code in REFUSED:
        url = yarl.URL(api.base + path, encoded=True)
        async with api.http.request(method, url, headers=headers, **options) as got:
            is_error(Reply(got.status, await got.read(), got.headers), status, code)


async def test_the_field_at_fault_is_named(api: Api) -> None:
    wrong = await api.post("/api/chatbots", {"name": "x", "personality": {"tone": "rude"}})
    assert wrong.body["error"]["details"] == {"field": "personality.tone"}
    missing = await api.post("/api/chatbots", {})
    assert missing.body["error"]["details"] == {"field": "name"}
    unknown = await api.post(
        "/api/chatbots", {"name": "x", "handoff": {"businessHours": [{"a": 1}]}}
    )
    assert unknown.body["error"]["details"] == {"field": "handoff.businessHours[0].a"}


async def test_fields_that_are_not_for_clients_are_unknown(world: World) -> None:
    chatbot = world.behind.chatbot(world.account)
    answer = await world.api.post(f"/api/chat/{chatbot}", {"message": "x", "answerId": "ans_1"})
    is_error(answer, 400, "unknown_field")
    patch = await world.api("PATCH", f"/api/chatbots/{chatbot}", {"ifMatch": "v1"})
    is_error(patch, 400, "unknown_field")
    other = await world.api("PATCH", f"/api/chatbots/{chatbot}", {"id": "bot_2"})
    is_error(other, 400, "unknown_field")


async def test_free_form_metadata_is_taken_as_it_is(world: World) -> None:
    chatbot = world.behind.chatbot(world.account)
    metadata = {"plan": {"name": "x", "seats": [1, 2]}, "any": None}
    await world.api.post(f"/api/chat/{chatbot}", {"message": "x", "metadata": metadata})
    _, asked = world.behind.last(calls.MESSAGE_CREATE)
    assert asked.metadata == metadata


async def test_a_body_of_another_type_is_refused(api: Api) -> None:
    reply = await api.post("/api/chatbots", data="name=x", headers={"Content-Type": "text/plain"})
    is_error(reply, 415, "unsupported_media_type")
    packed = await api.post(
        "/api/chatbots",
        data=b"{}",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    is_error(packed, 415, "unsupported_media_type")


async def test_answers_carry_what_browsers_need_to_be_careful(api: Api) -> None:
    reply = await api.get("/api/chatbots")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert reply.headers["RateLimit-Policy"].startswith('"api";q=')


async def test_a_request_id_is_taken_over_when_it_is_harmless(api: Api) -> None:
    given = await api.get("/livez", headers={"X-Request-Id": "req-from-client-1"})
    assert given.headers["x-request-id"] == "req-from-client-1"
    odd = await api.get("/livez", headers={"X-Request-Id": "a b"})
    assert odd.headers["x-request-id"].startswith("req_")


# -- hostile bytes ---------------------------------------------------------------------------

HEAD = b"Host: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"


HOSTILE = [
    b"POST /api/chatbots HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/chatbots HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"GET /api/chatbots HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + b"1" * 10_240 + b"\r\n\r\n",
    b"GET /api/chatbots HTTP/1.1\r\nHost: x\r\nX-Bad: a\x00b\r\n\r\n",
    b"GET /api/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/chatbots/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello over TLS\r\n\r\n",
    b"NONSENSE\r\n\r\n",
    b"GET /api/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    b"GET /api/me HTTP/1.1\r\nHost: x\r\nCookie: chattery_session=\xff\xfe\r\n\r\n",
    b"POST /api/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    b"POST /api/widget/bot_1/session HTTP/1.1\r\nHost: x\r\nOrigin: http://[\r\n\r\n",
    b"POST /api/widget/bot_1/session HTTP/1.1\r\nHost: x\r\nOrigin: https://\xff.example\r\n\r\n",
    b"POST /api/auth/logout HTTP/1.1\r\nHost: x\r\nCookie: chattery_session=x\r\nReferer: http://[\r\n\r\n",
    b"POST /api/chatbots HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


async def test_what_is_not_a_proper_request_gets_a_proper_refusal(world: World) -> None:
    for request in HOSTILE:
        got = await raw(world, request)
        head, _, rest = got.partition(b"\r\n\r\n")
        assert 400 <= int(head.split()[1]) < 500, (request[:60], got)
        assert set(json.loads(rest)["error"]) == {"code", "message", "details"}
        assert b"x-request-id" in head.lower()
    assert (await world.api.get("/livez")).status == 200


async def test_headers_that_are_not_utf8_keep_nobody_from_what_they_may(world: World) -> None:
    chatbot = world.behind.chatbot(world.account)
    login = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
    odd = b'User-Agent: \xff\xfe\r\nIf-Match: "\xff"\r\nIf-None-Match: "\xff"\r\ntraceparent: \xff\r\n'
    head = HEAD % world.api.key.encode() + odd
    for line, sent, status in (
        (b"POST /api/auth/login", login, b"200"),
        (b"PATCH /api/chatbots/" + chatbot.encode(), b'{"name": "x"}', b"404"),
        (b"GET /api/chatbots/" + chatbot.encode(), b"", b"200"),
    ):
        length = b"Content-Length: %d\r\n\r\n" % len(sent)
        got = await raw(world, line + b" HTTP/1.1\r\n" + head + length + sent)
        assert got.split()[1] == status, got


async def test_a_second_request_smuggled_behind_a_first_is_not_served(world: World) -> None:
    smuggled = (
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    got = await raw(world, smuggled)
    assert got.count(b"HTTP/1.") == 1
    assert got.split()[1] == b"400"


# -- conditions and repeats ------------------------------------------------------------------


async def test_a_chatbots_etag_is_a_header_and_a_condition(world: World) -> None:
    chatbot = world.behind.chatbot(world.account)

    async def update(_: Context, request: Any) -> Any:
        if request.if_match not in (msgspec.UNSET, "v1"):
            raise PreconditionFailed
        return a_chatbot(chatbot, etag="v2")

    world.behind.on[calls.CHATBOT_UPDATE.subject] = update
    path = f"/api/chatbots/{chatbot}"
    found = await world.api.get(path)
    assert found.headers["ETag"] == '"v1"'
    assert "etag" not in found.body
    same = await world.api.get(path, headers={"If-None-Match": '"v1"'})
    assert (same.status, same.raw) == (304, b"")
    lost = await world.api("PATCH", path, {"name": "x"}, headers={"If-Match": '"v0"'})
    is_error(lost, 412, "precondition_failed")
    done = await world.api("PATCH", path, {"name": "x"}, headers={"If-Match": '"v1"'})
    assert (done.status, done.headers["ETag"]) == (200, '"v2"')
    assert (await world.api("PATCH", path, {"name": "x"})).status == 200


async def test_an_idempotency_key_makes_a_repeat_harmless(world: World) -> None:
    api = world.api.with_(**{"Idempotency-Key": "create-1"})
    first = await api.post("/api/chatbots", {"name": "One"})
    again = await api.post("/api/chatbots", {"name": "One"})
    assert (first.status, again.status) == (201, 201)
    assert again.raw == first.raw
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(world.behind.chatbots) == 1
    is_error(await api.post("/api/chatbots", {"name": "Two"}), 422, "idempotency_mismatch")
    _, other = await world.account_of()
    mine = other.with_(**{"Idempotency-Key": "create-1"})
    assert (await mine.post("/api/chatbots", {"name": "Two"})).status == 201


async def test_a_repeat_while_the_first_is_at_work_is_a_conflict(world: World) -> None:
    begun, going = asyncio.Event(), asyncio.Event()

    async def create(ctx: Context, request: Any) -> Any:
        begun.set()
        await going.wait()
        return a_chatbot(world.behind.chatbot(ctx.account), name=request.name)

    world.behind.on[calls.CHATBOT_CREATE.subject] = create
    api = world.api.with_(**{"Idempotency-Key": "create-2"})
    first = asyncio.create_task(api.post("/api/chatbots", {"name": "One"}))
    await begun.wait()
    is_error(await api.post("/api/chatbots", {"name": "One"}), 409, "idempotency_in_flight")
    going.set()
    assert (await first).status == 201


async def test_what_failed_on_our_side_may_be_tried_again_under_the_same_key(
    world: World,
) -> None:
    create = world.behind.on[calls.CHATBOT_CREATE.subject]

    async def broken(_: Context, __: Any) -> Any:
        raise RuntimeError("a secret detail")

    world.behind.on[calls.CHATBOT_CREATE.subject] = broken
    api = world.api.with_(**{"Idempotency-Key": "create-3"})
    failed = await api.post("/api/chatbots", {"name": "One"})
    is_error(failed, 500, "internal")
    assert b"secret detail" not in failed.raw
    world.behind.on[calls.CHATBOT_CREATE.subject] = create
    assert (await api.post("/api/chatbots", {"name": "One"})).status == 201


async def test_a_secret_in_a_kept_answer_is_not_readable_in_redis(world: World) -> None:
    api = world.api.with_(**{"Idempotency-Key": "key-1"})
    made = await api.post("/api/keys", {"name": "k", "scopes": ["chat"]})
    names = await world.gateway.redis.keys("idempotency:*")
    values = [await world.gateway.redis.get(name) for name in names]
    assert values
    assert not any(made.body["key"].encode() in value for value in values)
    again = await api.post("/api/keys", {"name": "k", "scopes": ["chat"]})
    assert again.body["key"] == made.body["key"]


# -- the contract ----------------------------------------------------------------------------


async def test_the_contract_is_valid_and_names_every_route(api: Api) -> None:
    from openapi_spec_validator import validate

    from services.gateway.routes import ROUTES

    document = (await api.get("/openapi.json")).body
    validate(document)
    told = {(m.upper(), p) for p, methods in document["paths"].items() for m in methods}
    assert {(r.method, r.path) for r in ROUTES if r.tag != "Site"} <= told


def test_every_body_has_an_example_that_is_valid() -> None:
    for path, methods in contract()["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            told = content.get("application/json")
            if told is not None:
                assert "example" in told, (method, path)
                Draft202012Validator(told["schema"]).validate(told["example"])


def test_every_answer_is_told_with_its_schema_and_every_error_with_its_codes() -> None:
    document = contract()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                assert "x-request-id" in answer.get("headers", {"x-request-id"}), (method, path)
                told = answer.get("content", {}).get("application/json")
                if int(status) >= 400:
                    assert told["schema"] == {"$ref": "#/components/schemas/Error"}
                    assert told["examples"], (method, path, status)
                elif status not in ("204", "304") and path != "/openapi.json":
                    assert answer["content"], (method, path, status)


async def test_the_reference_page_needs_nothing_from_elsewhere(api: Api) -> None:
    page = await api.get("/docs")
    assert page.status == 200
    assert b"Send a message and receive a streamed answer" in page.raw
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    named = re.findall(rb'(?:src|stylesheet" href)="([^"]*)"', page.raw)
    assert len(named) == 4
    for path in named:
        file = await api.get(path.decode())
        assert file.status == 200
        assert file.headers["Cache-Control"].endswith("immutable")
    assert (await api.get("/assets/site/..%2f..%2fpages.py")).status == 404
    assert (await api.get("/assets/site/%2e%2e")).status == 404


async def test_health_is_told_on_the_public_port(world: World) -> None:
    assert (await world.api.with_("").get("/livez")).status == 200
    assert (await world.api.with_("").get("/readyz")).status == 200
    assert (await world.api.with_("").get("/metrics")).status == 404
    await world.behind.bus.stop_serving()
    away = await world.api.with_("").get("/readyz")
    assert (away.status, away.raw) == (503, b"chat: away\n")


async def test_a_service_that_is_away_is_a_503_with_a_time_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.common.bus.NOBODY_TIMEOUT", 0.2)
    await world.behind.bus.stop_serving()
    reply = await world.api.get("/api/chatbots")
    is_error(reply, 503, "unavailable")
    assert int(reply.headers["Retry-After"]) >= 1


async def test_a_drain_waits_for_a_request_that_is_still_being_sent(world: World) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        begun.set()  # the server has said to go on
        yield b'{"name": '
        await go_on.wait()
        yield b"1}"

    headers = {"Content-Type": "application/json"}
    asking = asyncio.create_task(
        world.api.post("/api/chatbots", data=slowly(), headers=headers, expect100=True)
    )
    await begun.wait()
    assert world.service.drain is not None
    draining = asyncio.create_task(world.service.drain(60))
    await asyncio.sleep(0.5)
    assert not draining.done()
    go_on.set()
    assert (await asking).status == 400
    await draining


async def test_draining_refuses_new_streams_with_a_hint(world: World) -> None:
    chatbot = world.behind.chatbot(world.account)
    assert world.service.drain is not None
    world.gateway.streams.draining.set()
    reply = await world.api.post(f"/api/chat/{chatbot}", {"message": "Hello"})
    is_error(reply, 503, "draining")
    assert reply.headers["Retry-After"] == "1"
    assert (await world.api.get("/readyz")).status == 503

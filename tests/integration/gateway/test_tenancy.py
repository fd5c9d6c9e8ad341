"""Every route of the table with every kind of wrong credentials: the table makes the cases."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from libs.common import calls
from libs.common.envelope import ANY_ACCOUNT
from services.gateway.openapi import _Requests
from services.gateway.principal import ROLE_SCOPES, SCOPES
from services.gateway.routes import ROUTES
from services.gateway.row import Route
from tests.integration.gateway.conftest import PASSWORD, Api, Reply, World

API = [route for route in ROUTES if route.tag != "Site"]
GUARDED = [route for route in API if route.auth != "none"]
IDS = {"chatbotId": "bot_other", "answerId": "ans_1", "id": "some_1"}


def path_of(route: Route) -> str:
    path = route.path
    for name in route.parameters:
        path = path.replace(f"{{{name}}}", IDS[name])
    return path


def value(schema: dict[str, Any]) -> Any:
    """Some valid value of a schema."""
    if "anyOf" in schema:
        return value(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {n: value(schema["properties"][n]) for n in schema.get("required", [])}
        case "array":
            return [value(schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    if schema.get("format") == "date-time":
        return "2026-04-12T14:30:00Z"
    return "ada@example.com" if "@" in schema.get("pattern", "") else "a long enough text"


async def send(api: Api, route: Route) -> Reply:
    options: dict[str, Any] = {}
    if route.takes_body and route.shape is not None and route.shape.body:
        requests = _Requests([route])
        properties = requests.properties(route)
        names = requests.required(route) & route.shape.body
        options["json"] = {name: value(properties[name]) for name in names}
    elif route.kind == "upload":
        options["data"] = {"chatbotId": "bot_other"}
    path = path_of(route)
    if route.shape is not None:
        wanted = _Requests([route]).required(route) & route.shape.query
        if wanted:
            path += "?" + "&".join(f"{name}=x" for name in sorted(wanted))
    return await api(route.method, path, **options)


def row(route: Route) -> str:
    return f"{route.method} {route.path}"


async def test_no_route_answers_without_credentials(world: World) -> None:
    for route in GUARDED:
        reply = await send(world.api.with_(""), route)
        assert (row(route), reply.status) == (row(route), 401)
        assert reply.code == "unauthorized"


async def test_no_route_answers_to_credentials_that_are_not_ours(world: World) -> None:
    forged = world.gateway.keys.mint(test=False)
    for token in (forged, "ck_live_short", "vt_e30.AAAA", "nonsense"):
        for route in GUARDED:
            reply = await send(world.somewhere(world.api.with_(token)), route)
            assert (row(route), token, reply.status) == (row(route), token, 401)


async def test_who_shows_keys_that_are_none_waits_and_others_do_not(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "limits.json").write_text('{"policies": {"guesses": {"limit": 5}}}')
    await asyncio.to_thread(world.gateway.policies.refresh)
    here = world.somewhere()
    known, new = here, here.with_((await world.key(world.api, "admin"))[1].key)
    assert (await known.get("/api/me")).status == 200
    found = [await here.with_(world.gateway.keys.mint(test=False)).get("/api/me") for _ in range(8)]
    assert [reply.status for reply in found] == [401] * 5 + [429] * 3
    assert found[-1].body["error"]["details"]["policy"] == "guesses"
    assert int(found[-1].headers["Retry-After"]) >= 1
    assert found[-1].headers["RateLimit-Policy"] == '"guesses";q=5;w=60'
    assert (await new.get("/api/me")).status == 429
    assert (await known.get("/api/me")).status == 200
    assert (await world.somewhere(new).get("/api/me")).status == 200


async def test_a_revoked_key_opens_nothing(world: World) -> None:
    key, api = await world.key(world.api, "admin")
    assert (await api.get("/api/me")).status == 200
    assert (await world.api("DELETE", f"/api/keys/{key}")).status == 204
    for route in GUARDED:
        reply = await send(world.somewhere(api), route)
        assert (row(route), reply.status) == (row(route), 401)


async def test_an_agent_may_what_agents_may_on_every_route(world: World) -> None:
    body = {"email": "agent@example.com", "password": PASSWORD}
    assert (await world.api.post("/api/users", body)).status == 201
    login = await world.api.with_("").post("/api/auth/login", body)
    agent = world.api.with_("", Cookie=login.headers["Set-Cookie"].partition(";")[0])
    for route in GUARDED:
        if route.auth == "operator" or route.scope in ("", *ROLE_SCOPES["agent"]):
            continue
        reply = await send(agent, route)
        assert (row(route), reply.status, reply.code) == (row(route), 403, "insufficient_scope")
    for method, path in (
        ("POST", "/api/keys"),
        ("DELETE", "/api/keys/key_1"),
        ("POST", "/api/chatbots/bot_1/identity"),
        ("POST", "/api/webhooks/wh_1/rotate"),
        ("DELETE", "/api/account"),
    ):
        assert (await agent(method, path)).code == "insufficient_scope"


async def test_a_key_opens_the_routes_of_its_scopes_alone(world: World) -> None:
    keys = {scope: (await world.key(world.api, scope))[1] for scope in SCOPES if scope != "admin"}
    for scope, api in keys.items():
        for route in API:
            if route.auth != "account" or route.scope in ("", scope):
                continue
            reply = await send(api, route)
            assert (row(route), reply.status, reply.code) == (row(route), 403, "insufficient_scope")


async def test_a_visitor_token_opens_the_visitors_routes_alone(world: World) -> None:
    chatbot = world.behind.chatbot(world.account)
    token, _ = world.gateway.visitors.make(world.account, chatbot, "vis_1")
    api = world.api.with_(token)
    for route in GUARDED:
        if route.visitor:
            continue
        reply = await send(api, route)
        assert (row(route), reply.status) == (row(route), 401)


async def test_a_visitor_of_another_account_finds_nothing(world: World) -> None:
    other, _ = await world.account_of()
    token, _ = world.gateway.visitors.make(other, world.behind.chatbot(other), "vis_2")
    for route in API:
        if not route.visitor:
            continue
        world.behind.asked.clear()
        reply = await send(world.somewhere(world.api.with_(token)), route)
        assert (row(route), reply.status) == (row(route), 404)
        assert all(ctx.account == other for _, ctx, _ in world.behind.asked if _ctx(ctx))


async def test_another_accounts_key_reaches_no_other_account(world: World) -> None:
    """What goes out on the bus carries the caller's own account, whatever the path says."""
    other, api = await world.account_of()
    world.behind.asked.clear()
    for route in API:
        if route.auth != "account":
            continue
        reply = await send(world.somewhere(api), route)
        assert (row(route), reply.status) != (row(route), 500)
        if route.parameters and route.method == "GET" and route.kind != "file":
            assert (row(route), reply.status) == (row(route), 404)
    for subject, ctx, _ in world.behind.asked:
        if subject != calls.WIDGET_ORIGINS.subject:
            assert (subject, ctx.account) == (subject, other)


async def test_a_key_can_not_do_what_takes_a_login(world: World) -> None:
    for route in API:
        if route.auth == "session":
            reply = await send(world.api, route)
            assert (row(route), reply.status) == (row(route), 403)


async def test_the_operators_routes_take_the_operators_token_alone(world: World) -> None:
    for route in API:
        if route.auth == "operator":
            reply = await send(world.api, route)
            assert (row(route), reply.status) == (row(route), 401)


async def test_without_an_operators_token_its_routes_are_absent(start: Any) -> None:
    world = await start(operator_token=None)
    for route in API:
        if route.auth == "operator":
            reply = await send(world.api, route)
            assert (row(route), reply.status, reply.code) == (row(route), 404, "no_such_route")


async def test_a_suspended_account_is_shut_out_everywhere(world: World) -> None:
    account, api = await world.account_of()
    token, _ = world.gateway.visitors.make(account, world.behind.chatbot(account), "vis_1")
    visitor = world.api.with_(token)
    assert (await api.get("/api/chatbots")).status == 200
    operator = world.api.with_(world.settings.operator_token.get_secret_value())  # type: ignore[union-attr]
    suspended = await operator("PATCH", f"/api/accounts/{account}", {"status": "suspended"})
    assert suspended.status == 200
    for client in (api, visitor):
        reply = await client.get("/api/conversations/conv_1/messages")
        assert (reply.status, reply.code) == (403, "account_suspended")
    await operator("PATCH", f"/api/accounts/{account}", {"status": "active"})
    assert (await api.get("/api/chatbots")).status == 200


@pytest.mark.parametrize(("plan", "status"), [("free", 403), ("business", 201)])
async def test_keys_are_part_of_business_and_enterprise(
    world: World, plan: str, status: int
) -> None:
    _, owner = await logged_in(world, plan)
    made = await owner.post("/api/keys", {"name": "k", "scopes": ["chat"]})
    assert made.status == status
    if status == 403:
        assert made.code == "plan_without_api"


async def logged_in(world: World, plan: str) -> tuple[str, Api]:
    account, api = await world.account_of(plan)
    email = f"owner{account[-6:]}@example.net"
    operator = world.api.with_(world.settings.operator_token.get_secret_value())  # type: ignore[union-attr]
    made = await operator.post(
        "/api/accounts", {"name": "X", "plan": plan, "email": email, "password": PASSWORD}
    )
    login = await api.with_("").post("/api/auth/login", {"email": email, "password": PASSWORD})
    cookie = login.headers["Set-Cookie"].partition(";")[0]
    return made.body["accountId"], world.api.with_("", Cookie=cookie)


def _ctx(ctx: Any) -> bool:
    return ctx.account != ANY_ACCOUNT

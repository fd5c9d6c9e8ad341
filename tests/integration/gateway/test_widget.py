"""The widget: a visitor's session from an allowed page, CORS, and nothing beyond its own."""

import time
from typing import Any

import pytest

from libs.common import calls
from libs.common.envelope import Context
from services.gateway import visitors
from services.gateway.origins import LOOKUPS
from tests.integration.gateway.conftest import Api, World

SITE = "https://shop.example"


@pytest.fixture
def chatbot(world: World) -> str:
    chatbot = world.behind.chatbot(world.account)
    world.behind.origins[chatbot] = [SITE, "https://*.example.org"]

    async def opened(_: Context, request: Any) -> Any:
        return calls.WidgetOpened(
            account_id=world.account,
            visitor_id=request.visitor_id or "vis_new",
            chatbot=calls.PublicChatbot(
                id=chatbot,
                name="Support Bot",
                language="en",
                greeting="Hi",
                appearance=calls.Appearance(),
                handoff_enabled=True,
                open=True,
                out_of_hours_message="",
                ai_disclosure="",
            ),
            conversation=None,
        )

    world.behind.on[calls.WIDGET_OPEN.subject] = opened
    return chatbot


async def open_session(api: Api, chatbot: str, **body: Any) -> Any:
    page = api.with_("", Origin=SITE)
    reply = await page.post(f"/api/widget/{chatbot}/session", body)
    assert reply.status == 200, reply.raw
    return reply.body


async def test_a_session_says_who_the_visitor_is(world: World, chatbot: str) -> None:
    session = await open_session(world.api, chatbot)
    assert session["visitorId"] == "vis_new"
    assert session["token"].startswith("vt_")
    assert session["chatbot"]["name"] == "Support Bot"
    again = await open_session(world.api, chatbot, token=session["token"])
    assert again["visitorId"] == "vis_new"
    assert world.behind.last(calls.WIDGET_OPEN)[1].visitor_id == "vis_new"


async def test_a_visitor_speaks_for_itself_alone(world: World, chatbot: str) -> None:
    token = (await open_session(world.api, chatbot))["token"]
    visitor = world.api.with_(token)
    await visitor.post(f"/api/chat/{chatbot}", {"message": "Hello"})
    ctx, asked = world.behind.last(calls.MESSAGE_CREATE)
    assert (asked.visitor_id, ctx.actor.kind, ctx.actor.chatbot) == ("vis_new", "visitor", chatbot)
    other = await visitor.post(f"/api/chat/{chatbot}", {"message": "x", "visitorId": "vis_else"})
    assert (other.status, other.code) == (403, "not_your_visitor")
    elsewhere = world.behind.chatbot(world.account)
    assert (await visitor.post(f"/api/chat/{elsewhere}", {"message": "x"})).status == 404


async def test_a_token_expires_and_can_be_renewed_but_not_forged(
    world: World, chatbot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "LIFETIME", -1.0)
    old = (await open_session(world.api, chatbot))["token"]
    monkeypatch.undo()
    gone = await world.api.with_(old, Origin=SITE).post(f"/api/chat/{chatbot}", {"message": "x"})
    assert (gone.status, gone.code) == (401, "invalid_visitor_token")
    assert gone.headers["Access-Control-Allow-Origin"] == SITE  # the page may read why
    renewed = (await open_session(world.api, chatbot, token=old))["token"]
    assert world.gateway.visitors.identify(renewed).actor.id == "vis_new"
    forged = old[:-4] + "AAAA"
    assert world.gateway.visitors.renewable(forged, chatbot) is None
    assert world.gateway.visitors.renewable(old, "bot_other") is None
    monkeypatch.setattr(time, "time", lambda: time.monotonic() + 4e9)
    assert world.gateway.visitors.renewable(old, chatbot) is None


async def test_pages_of_other_origins_are_refused(world: World, chatbot: str) -> None:
    path = f"/api/widget/{chatbot}/session"
    stranger = await world.api.with_("", Origin="https://evil.example").post(path, {})
    assert (stranger.status, stranger.code) == (403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in stranger.headers
    for origin in (SITE, "https://eu.example.org"):
        page = await world.api.with_("", Origin=origin).post(path, {})
        assert page.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in page.headers["Vary"]
    world.behind.origins[chatbot] = []
    anywhere = world.behind.chatbot(world.account)
    reply = await world.api.with_("", Origin="https://any.example").post(
        f"/api/widget/{anywhere}/session", {}
    )
    assert reply.headers["Access-Control-Allow-Origin"] == "https://any.example"


async def test_a_preflight_is_answered_for_the_widgets_routes_alone(
    world: World, chatbot: str
) -> None:
    ask = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    api = world.api.with_("", **ask)
    allowed = await api("OPTIONS", f"/api/chat/{chatbot}")
    assert allowed.status == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == SITE
    assert allowed.headers["Access-Control-Allow-Methods"] == "POST"
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"]
    for path in ("/api/chatbots", "/api/keys", "/api/nothing"):
        reply = await api("OPTIONS", path)
        assert "Access-Control-Allow-Origin" not in reply.headers
    evil = await api.with_("", Origin="https://evil.example")("OPTIONS", f"/api/chat/{chatbot}")
    assert "Access-Control-Allow-Origin" not in evil.headers


async def test_an_api_key_is_of_no_use_in_a_page(world: World, chatbot: str) -> None:
    reply = await world.api.with_(Origin=SITE).get("/api/chatbots")
    assert "Access-Control-Allow-Origin" not in reply.headers


async def test_made_up_chatbots_do_not_keep_the_chat_service_busy(
    world: World, chatbot: str
) -> None:
    """A preflight takes no credentials: an address may have so many chatbots looked up."""
    page = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    attacker, visitor = world.somewhere(), world.somewhere()
    world.behind.asked.clear()
    statuses = [
        (await attacker("OPTIONS", f"/api/chat/bot_{number}", headers=page)).status
        for number in range(LOOKUPS.limit + 20)
    ]
    assert statuses == [204] * LOOKUPS.limit + [429] * 20
    assert len(world.behind.asked) == LOOKUPS.limit
    known = await visitor("OPTIONS", f"/api/chat/{chatbot}", headers=page)
    assert (known.status, known.headers["Access-Control-Allow-Origin"]) == (204, page["Origin"])

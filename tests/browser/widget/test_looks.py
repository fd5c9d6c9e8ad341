"""Every state of the widget: kept as a screenshot, and nothing that axe-core holds against it."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.proxy import Network
from tests.browser.shop import Shop, Widget, latest
from tests.browser.visits import Visits, look
from tests.e2e.client import Api

QUESTION = "Where is the office?"
SIZES = {"desktop": (1100, 800), "phone": (390, 844)}
# Each state is seen in two of the four ways that screens and tastes differ, in either direction.
LOOKS = [
    ("en", [("light", "desktop"), ("dark", "phone")]),
    ("ar", [("dark", "desktop"), ("light", "phone")]),
]

Snap = Callable[[str], Awaitable[None]]


@pytest.fixture
def found() -> list[Any]:
    """What axe-core found."""
    return []


@pytest.mark.parametrize(("language", "ways"), LOOKS, ids=["en", "ar"])
async def test_every_state_is_accessible_and_kept_to_look_at(
    language: str,
    ways: list[tuple[str, str]],
    visits: Visits,
    shop: Shop,
    bot: str,
    network: Network,
    api: Api,
    found: list[Any],
) -> None:
    shop.language = language
    closed = {"businessHours": [{"day": 1, "open": "00:00", "close": "00:00"}]}
    await api.call("PATCH", f"/api/chatbots/{bot}", {"handoff": closed})
    page = await visits.page(shop.url, reduced_motion="reduce")

    async def snap(state: str) -> None:
        for scheme, size in reversed(ways):  # the first one is what it goes on in
            await page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
            width, height = SIZES[size]
            await page.set_viewport_size({"width": width, "height": height})
            name = f"widget-{language}-{state}-{size}-{scheme}"
            found.extend((name, one) for one in await look(page, name))

    widget = Widget(page)
    await widget.launcher.wait_for()
    await snap("1-closed")
    await widget.open()
    await widget.chip.first.wait_for()
    await snap("2-greeting")
    await _answered(widget, network, snap)
    await _helped_by_a_person(widget, api, bot, snap)
    await _hindered(widget, snap)
    await page.close()  # it would go on trying to connect
    visits.forgive("ERR_INTERNET_DISCONNECTED", "ERR_INCOMPLETE", "ERR_FAILED", "429", "500", "403")
    assert found == [], json.dumps(found, indent=1, ensure_ascii=False)


async def _answered(widget: Widget, network: Network, snap: Snap) -> None:
    network.hold_rest = True
    await widget.ask(QUESTION)
    await expect(widget.bubble.nth(2)).to_contain_text("The")
    await widget.stop.wait_for()
    await snap("3-streaming")
    network.released.set()
    await widget.answers("12 Harbour Street")
    await widget.page.locator("chattery-widget summary").click()
    await snap("4-sources")
    await widget.thumb.last.click()
    await widget.why.wait_for()
    await snap("5-feedback")
    await widget.more.click()
    await snap("6-menu")
    await widget.page.keyboard.press("Escape")
    await widget.ask("Who was the king of Portugal in the year 1540, and why?")
    await widget.offer.wait_for()
    await snap("7-no-answer")
    network.released.clear()
    network.hold_rest = True
    await widget.ask(QUESTION)
    await widget.stop.click()
    network.released.set()
    await expect(widget.stop).to_have_count(0)
    await snap("8-stopped")
    await widget.more.click()


async def _helped_by_a_person(widget: Widget, api: Api, bot: str, snap: Snap) -> None:
    await widget.menu.locator("button").first.click()
    await widget.system.wait_for()
    await snap("9-closed-hours")
    path = f"/api/conversations/{(await latest(api, bot))['id']}"
    await api.post(f"{path}/typing")
    await widget.typing.wait_for()
    await snap("10-typing")
    await api.post(f"{path}/reply", {"message": "Hello, I am here for you. **How can I help?**"})
    await widget.admin.wait_for()
    await snap("11-person")
    await widget.leave.click()
    await api.post(f"{path}/reply", {"message": "Are you still there?"})
    await expect(widget.badge).to_have_text("1")
    await snap("12-unread")
    await widget.open()
    await api.post(f"{path}/resolve")
    await widget.notice.wait_for()
    await snap("13-resolved")


async def _hindered(widget: Widget, snap: Snap) -> None:
    page = widget.page
    await page.context.set_offline(True)
    await widget.notice.wait_for()
    await snap("14-offline")
    await page.context.set_offline(False)
    await _refused(page, 429, {"Retry-After": "30"}, "rate_limited")
    await widget.ask("And the opening hours?")
    await expect(widget.notice).to_contain_text(re.compile("[23][0-9]"))  # it counts down
    await snap("15-limited")
    await _again(widget)
    await _refused(page, 403, {}, "origin_not_allowed")
    await widget.ask("And the opening hours?")
    await expect(widget.notice).to_have_class("notice bad")
    await snap("16-unavailable")
    await _refused(page, 500, {}, "internal_error")
    await widget.ask("And the opening hours?")
    await expect(widget.notice).to_have_class("notice bad")
    await snap("17-error")
    await page.route("**/api/chat/*", lambda route: route.abort())
    await widget.ask("And the opening hours?")
    await widget.sending.wait_for()
    await expect(widget.notice).to_have_class("notice")
    await snap("18-connecting")


async def _again(widget: Widget) -> None:
    await widget.page.reload()
    await widget.launcher.wait_for()
    await widget.page.evaluate("Chattery.open()")
    await widget.panel.wait_for()


async def _refused(page: Page, status: int, headers: dict[str, str], code: str) -> None:
    """Whatever is asked from now on is refused."""

    async def refuse(route: Route) -> None:
        allow = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
        expose = {"Access-Control-Expose-Headers": "Retry-After", **allow, **headers}
        body = {"error": {"code": code, "message": "No.", "details": {}}}
        await route.fulfill(status=status, headers=expose, json=body)

    await page.route("**/api/chat/*", refuse)

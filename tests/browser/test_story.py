"""The whole of it: a visitor of a shop, its network, and a person of the shop in another browser."""

import asyncio

from playwright.async_api import Page, expect

from tests.browser.owner import Owner
from tests.browser.proxy import Network
from tests.browser.shop import Shop, Widget
from tests.browser.visits import Visits
from tests.e2e.client import PATIENCE

QUESTION = "Within how many days may I return a kayak?"
ANSWER = (
    "You may return it within **45 days**, dry and complete.\n\n"
    "1. Write to returns@harbour.example\n2. Print the label\n3. Bring it to the pier\n\n"
    "See [our terms](https://harbour.example/terms)."
)
LAST_WORDS = "our terms"


async def test_a_visitor_is_answered_over_a_broken_line_and_then_by_a_person(
    visits: Visits, shop: Shop, network: Network, owner: Owner
) -> None:
    shop.chatbot = await owner.api.chatbot("Harbour Kayaks")
    await owner.api.knows(shop.chatbot, QUESTION, ANSWER)
    only = {"widget": {"allowedOrigins": [shop.url.rstrip("/")]}}
    await owner.api.call("PATCH", f"/api/chatbots/{shop.chatbot}", only)
    widget = Widget(await visits.page(shop.url, viewport={"width": 1100, "height": 800}))

    await _answered_though_the_line_broke(widget, network)
    visits.forgive("ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_INTERNET_DISCONNECTED")

    await widget.page.get_by_role("button", name="More options").click()
    await widget.page.get_by_role("button", name="Talk to a person").click()
    await expect(widget.system).to_contain_text("person")
    agent = await owner.enters("/inbox?status=escalated")
    await _a_person_replies(agent, widget)
    await _and_hands_back(agent, widget)


async def _answered_though_the_line_broke(widget: Widget, network: Network) -> None:
    await widget.open()
    network.cuts = 1
    await widget.ask(QUESTION)
    await widget.page.context.set_offline(True)
    await expect(widget.notice).to_contain_text("offline")
    await widget.page.context.set_offline(False)

    await widget.answers(LAST_WORDS)
    said = await widget.bubble.last.inner_text()
    assert [said.count(part) for part in ("45 days", "Print the label", LAST_WORDS)] == [1, 1, 1]
    await widget.page.locator("chattery-widget summary").click()
    await expect(widget.sources.locator("li")).to_contain_text(QUESTION)
    assert network.broken == 1


async def _a_person_replies(agent: Page, widget: Widget) -> None:
    await agent.locator(".talk").click()
    await expect(agent.locator(".message.visitor").first).to_contain_text(QUESTION)
    await expect(agent.locator(".message.bot").first).to_contain_text("Print the label")
    field = agent.get_by_label("Reply to the visitor")
    async with asyncio.timeout(PATIENCE):
        while not await widget.typing.is_visible():  # it may be about to listen again
            await field.press_sequentially("Hello ")
            await widget.page.wait_for_timeout(300)
    await field.fill("Hello, what can I do for you?")
    await field.press("Enter")

    await expect(widget.admin.last).to_contain_text("what can I do for you")
    await widget.ask("Can I have a bigger one?")
    await expect(agent.locator(".message.visitor").last).to_contain_text("a bigger one")


async def _and_hands_back(agent: Page, widget: Widget) -> None:
    await agent.get_by_role("button", name="Hand back").click()
    await expect(agent.get_by_text("Given back to the bot.")).to_be_visible()
    await expect(widget.panel).to_have_attribute("data-status", "open")
    await widget.ask(QUESTION)
    await expect(
        widget.page.locator("chattery-widget .message.bot", has_text=LAST_WORDS)
    ).to_have_count(2)
    await agent.get_by_role("button", name="Resolve", exact=True).click()
    await expect(widget.notice).to_contain_text("closed")

"""The project's own page, and the reference that one can try."""

import json
import re

from playwright.async_api import expect

from tests.browser.visits import Visits, look
from tests.conftest import RunningStack
from tests.e2e.client import Api

# One article of each kind: to look at all hundred would take a minute, and so would leaving them.
PARTS = ".bar, .contents, .intro, #post-chat-chatbotId, #patch-chatbots-id, #post-knowledge-upload"
PRUNE = """(parts) => document.querySelectorAll("article").forEach((e) => e.matches(parts) || e.remove())"""
OFFICE = "The office is at **12 Harbour Street**."


async def test_the_page_says_what_it_is_in_both_themes(visits: Visits, api: Api) -> None:
    for scheme, width in (("light", 1280), ("dark", 390)):
        page = await visits.page(
            api.base + "/",
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        await expect(page.get_by_role("heading", level=1)).to_contain_text("own knowledge")
        found = await look(page, f"site-{scheme}-{width}", full_page=True)
        assert found == [], json.dumps(found, indent=1)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        await expect(page.locator("[data-origin]").first).to_have_text(api.base)


async def test_the_page_lets_people_try_the_example_bot(
    visits: Visits, api: Api, stack: RunningStack
) -> None:
    bot = await api.chatbot("Pedalwerk help")
    await api.knows(bot, "How many days do I have to return a bike?", OFFICE)
    (stack.data / "demo-chatbot").write_text(bot)
    try:
        page = await visits.page(api.base + "/", viewport={"width": 1280, "height": 900})
        await page.get_by_role("button", name="return a bike").click()
        answer = page.locator("chattery-widget .message.bot", has_text="12 Harbour Street")
        await answer.wait_for()
        await look(page, "site-demo")
    finally:
        (stack.data / "demo-chatbot").unlink()


async def test_the_reference_can_be_read_in_both_themes(visits: Visits, api: Api) -> None:
    for scheme, width in (("light", 1440), ("dark", 390)):
        page = await visits.page(
            api.base + "/docs",
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        await expect(page.locator("article")).not_to_have_count(0)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.evaluate(PRUNE, PARTS)
        found = await look(page, f"docs-{scheme}-{width}", part=PARTS)
        assert found == [], json.dumps(found, indent=1)


async def test_a_route_is_found_and_tried_in_the_reference_itself(visits: Visits, api: Api) -> None:
    bot = await api.chatbot("Tried")
    await api.knows(bot, "Where is the office?", OFFICE)
    page = await visits.page(api.base + "/docs", viewport={"width": 1440, "height": 900})
    await page.get_by_role("searchbox").fill("tags")
    shown = page.locator(".contents li:visible")
    await expect(shown).to_have_count(1)
    await shown.get_by_role("link").click()
    await expect(page.locator("#post-conversations-id-tags")).to_be_in_viewport()
    await page.get_by_role("searchbox").fill("")
    await page.get_by_label("Your API key").fill(api.token)

    ask = page.locator("#post-chat-chatbotId")
    await ask.get_by_text("Try it").click()
    await ask.get_by_label("chatbotId").fill(bot)
    await ask.get_by_label("Body").fill('{"message": "Where is the office?"}')
    await ask.get_by_role("button", name="Send").click()
    await expect(ask.locator(".result pre")).to_contain_text("data: [DONE]")
    await expect(ask.locator(".result p")).to_have_text(re.compile(r"^200 OK · \d+ ms · req_"))

    gone = page.locator("#delete-chatbots-id")
    await gone.get_by_text("Try it").click()
    await gone.get_by_label("id").fill(bot)
    await gone.get_by_role("button", name="Send").click()
    await gone.get_by_role("button", name="Really delete it").click()
    await expect(gone.locator(".result pre")).to_contain_text('"status": "deleting"')
    assert (await api.get(f"/api/chatbots/{bot}")).status == 404
    await page.evaluate(PRUNE, PARTS)
    assert await look(page, "docs-tried", part="#post-chat-chatbotId") == []

"""The owner of an account: comes in, takes the first steps, finds every screen in order."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visits, look
from tests.browser.dashboard.conftest import Owner

SLOW = 60_000  # ms for a small site to be read


async def test_a_wrong_password_is_told_and_the_right_one_leads_to_the_deep_link(
    owner: Owner, visits: Visits
) -> None:
    page = await owner.page("/inbox?status=resolved")
    assert await look(page, "dashboard-login") == []
    await owner.log_in(page, "not this one")
    await expect(page.get_by_role("alert")).to_be_visible()
    visits.forgive("401")

    await owner.log_in(page)
    resolved = page.get_by_role("button", name="Resolved", exact=True)
    await expect(resolved).to_have_attribute("aria-pressed", "true")
    await page.reload()
    await expect(resolved).to_have_attribute("aria-pressed", "true")


async def test_the_first_steps_lead_to_an_answer_from_ones_own_site(
    owner: Owner, site: str
) -> None:
    page = await owner.enters()
    await expect(page).to_have_url(f"{owner.base}/dashboard/start")
    await page.get_by_label("Name").fill("Kayak help")
    await page.get_by_label("Your site").fill(site)
    await page.get_by_role("button", name="Make the chatbot").click()

    await page.get_by_role("button", name="Read the site").click()
    await expect(page.get_by_text("2 pages ready")).to_be_visible(timeout=SLOW)
    await page.get_by_label("Question").fill("Within how many days may I return a kayak?")
    await page.get_by_role("button", name="Ask", exact=True).click()
    await expect(page.locator(".tried")).to_contain_text("45 days", timeout=SLOW)
    await expect(page.locator(".tried li")).to_contain_text("Returns")

    await page.reload()  # where one is follows from what there is
    chatbot = page.url.rsplit("/", 1)[1]
    await expect(page.locator(".step").last).to_contain_text(f'data-chatbot="{chatbot}"')
    assert await look(page, "dashboard-start") == []


async def test_what_changed_of_a_chatbot_shows_in_the_real_widget_and_is_kept(owner: Owner) -> None:
    chatbot = await owner.api.chatbot("Kayak help")
    page = await owner.enters(f"/chatbots/{chatbot}/appearance")
    await page.get_by_label("Main colour, as hex").fill("#0f766e")
    await page.get_by_label("Main colour, as hex").press("Tab")
    await page.get_by_label("Suggested questions").fill("What does a tent cost?")
    await page.get_by_label("Suggested questions").press("Enter")
    widget = page.frame_locator(".stage iframe").locator("chattery-widget")
    await expect(widget.locator(".chip").first).to_contain_text("What does a tent cost?")
    chosen = re.compile(re.escape("rgb(15, 118, 110)"))
    await expect(widget.locator("header")).to_have_css("background-image", chosen)

    await page.get_by_role("link", name="Inbox").click()
    await page.get_by_role("button", name="Cancel").click()  # nothing is lost unasked
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    kept = (await owner.api.get(f"/api/chatbots/{chatbot}")).body["appearance"]
    assert kept["primaryColor"] == "#0f766e"
    assert kept["suggestedQuestions"] == ["What does a tent cost?"]


async def test_a_chatbot_is_deleted_only_by_its_name(owner: Owner) -> None:
    chatbot = await owner.api.chatbot("Kayak help")
    page = await owner.enters(f"/chatbots/{chatbot}/limits")
    await page.get_by_role("button", name="Delete this chatbot").click()
    confirm = page.get_by_role("dialog").get_by_role("button", name="Delete the chatbot")
    await expect(confirm).to_be_disabled()
    await page.get_by_label("Type Kayak help to confirm").fill("Kayak help")
    await confirm.click()
    await expect(page.get_by_text("No chatbots yet")).to_be_visible()
    assert (await owner.api.get(f"/api/chatbots/{chatbot}")).status == 404


async def test_an_unanswered_question_becomes_a_pair_of_the_knowledge(owner: Owner) -> None:
    chatbot = await owner.api.chatbot("Kayak help")
    await owner.api.ask(chatbot, "Do you also sell sledges?")
    page = await owner.enters("/unanswered")
    await page.get_by_role("button", name="Write an answer").click()
    await page.get_by_role("textbox", name="Answer").fill("Only in winter.")
    await page.get_by_role("button", name="Add to the knowledge").click()
    await expect(page.get_by_text("Nothing went unanswered")).to_be_visible()
    items = (await owner.api.get(f"/api/knowledge?chatbotId={chatbot}&type=qa")).body["data"]
    assert [item["title"] for item in items] == ["Do you also sell sledges?"]


SCREENS = ["overview", "inbox", "unanswered", "chatbots", "settings", "{bot}/knowledge"]
SCREENS += [f"settings/{tab}" for tab in ("team", "keys", "webhooks", "usage", "audit", "account")]
TABS = ["personality", "appearance", "handoff", "access", "limits", "install"]


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
async def test_every_screen_is_accessible_and_fits(owner: Owner, width: int, scheme: str) -> None:
    chatbot = await owner.api.chatbot("Kayak help")
    await owner.api.ask(chatbot, "Where is the office?")
    size = {"width": width, "height": 800}
    page = await owner.enters("/overview", viewport=size, color_scheme=scheme)
    found: dict[str, object] = {}
    for screen in [*SCREENS, *(f"{{bot}}/{tab}" for tab in TABS)]:
        path = screen.replace("{bot}", f"chatbots/{chatbot}")
        await page.goto(f"{owner.base}/dashboard/{path}")
        await page.locator("main h1").first.wait_for()
        await page.locator(".bone").first.wait_for(state="detached")
        name = screen.replace("{bot}", "chatbot").replace("/", "-")
        found[name] = await look(page, f"dashboard-{name}-{width}-{scheme}")
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px too wide"
    assert {name: issues for name, issues in found.items() if issues} == {}

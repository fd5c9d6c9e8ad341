"""The owner of an account: comes in, takes the first steps, finds every screen in order."""

import re

from playwright.async_api import expect

from tests.browser.owner import Owner, Site
from tests.browser.visits import Visits, look

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
    owner: Owner, site: Site
) -> None:
    page = await owner.enters()
    await expect(page).to_have_url(f"{owner.base}/dashboard/start")
    await page.get_by_label("Name").fill("Kayak help")
    await page.get_by_label("Your site").fill(site.url)
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

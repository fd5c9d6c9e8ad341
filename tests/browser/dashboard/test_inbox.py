"""Someone of the team in the inbox, a visitor on the other side."""

import asyncio

from playwright.async_api import Page, Route, expect

from tests.browser.owner import Owner
from tests.browser.visits import Visits, look


async def _escalated(owner: Owner, text: str) -> tuple[str, str]:
    chatbot = await owner.api.chatbot("Kayak help")
    answer = await owner.api.ask(chatbot, text)
    await owner.api.post(f"/api/conversations/{answer.conversation}/escalate", {})
    return chatbot, answer.conversation


async def _says(page: Page, text: str) -> None:
    await page.get_by_label("Reply to the visitor").fill(text)
    await page.get_by_label("Reply to the visitor").press("Enter")


async def test_a_visitor_and_a_person_talk_live(owner: Owner, visits: Visits) -> None:
    chatbot = await owner.api.chatbot("Kayak help")
    agent = await owner.enters("/inbox")
    await expect(agent.get_by_text("No conversations yet")).to_be_visible()

    visitor = await visits.page(f"{owner.base}/dashboard", viewport={"width": 900, "height": 800})
    await visitor.evaluate(
        "id => import('/widget.mjs').then((m) => m.start({chatbot: id, open: true}))", chatbot
    )
    field = visitor.locator("chattery-widget textarea")
    await field.fill("أين طردي؟")
    await field.press("Enter")
    row = agent.locator(".talk")
    await expect(row).to_have_count(1)
    await row.click()
    await expect(agent.locator(".message.visitor")).to_contain_text("أين طردي؟")
    await expect(agent.locator(".message.bot")).to_be_visible()

    await _says(agent, "I am looking for it now.")
    await expect(visitor.locator("chattery-widget .message.admin")).to_contain_text(
        "looking for it"
    )
    await field.fill("Thank you!")
    await field.press("Enter")
    await expect(agent.locator(".message.visitor").last).to_contain_text("Thank you!")

    await agent.get_by_role("button", name="Note", exact=True).click()
    await agent.get_by_label("Note for your team").fill("Parcel 17")
    await agent.get_by_label("Note for your team").press("Enter")
    await expect(agent.locator(".message.internal")).to_contain_text("Parcel 17")
    assert await look(agent, "dashboard-inbox-thread") == []
    assert await visitor.locator("chattery-widget", has_text="Parcel 17").count() == 0


async def test_keys_assign_tag_and_resolve(owner: Owner) -> None:
    _, conversation = await _escalated(owner, "Where is my parcel?")
    page = await owner.enters("/inbox")
    await expect(page.locator(".talk")).to_have_count(1)
    await page.keyboard.press("j")
    await expect(page.locator(".message.visitor")).to_be_visible()
    await page.keyboard.press("a")
    await expect(page.get_by_text("Assigned to you.")).to_be_visible()
    await page.keyboard.press("t")
    await page.get_by_label("Tags").fill("parcel")
    await page.get_by_label("Tags").press("Enter")
    await expect(page.get_by_text("Tagged “parcel”.")).to_be_visible()
    await page.locator("main").focus()
    await page.keyboard.press("e")
    await expect(page.get_by_text("Resolved.", exact=True)).to_be_visible()
    found = (await owner.api.get(f"/api/conversations/{conversation}")).body
    assert (found["status"], found["tags"]) == ("resolved", ["parcel"])
    assert found["assigneeId"]


async def test_a_reply_that_fails_says_so_and_is_sent_when_tried_again(
    owner: Owner, visits: Visits
) -> None:
    _, conversation = await _escalated(owner, "Where is my parcel?")
    page = await owner.enters(f"/inbox/{conversation}")
    await expect(page.locator(".message.visitor")).to_be_visible()
    lost = asyncio.Event()

    async def lose(route: Route) -> None:
        if lost.is_set():
            await route.continue_()
        else:
            lost.set()
            await route.abort()

    await page.route("**/reply", lose)
    await _says(page, "It is on its way.")
    await expect(page.get_by_role("alert")).to_contain_text("Not sent")
    visits.forgive("ERR_FAILED")
    await page.get_by_role("button", name="Send again").click()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.locator(".message.admin:not(.sending, .failed)")).to_have_count(1)
    sent = (await owner.api.get(f"/api/conversations/{conversation}/messages")).body["data"]
    assert [m["text"] for m in sent if m["sender"] == "admin"] == ["It is on its way."]

"""When things go wrong under the hands of who works here, and when others mean harm."""

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import Page, Route, expect

from tests.browser.owner import Owner, go
from tests.browser.visits import Visits

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
LINK = "[here](javascript:window.hacked=1) <a href='javascript:window.hacked=1'>there</a>"
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz" * 5

Step = Callable[[Page], Awaitable[None]]


async def test_a_session_that_ends_in_the_middle_takes_nothing_with_it(
    owner: Owner, visits: Visits
) -> None:
    chatbot = await owner.api.chatbot("Kayak help")
    answer = await owner.api.ask(chatbot, "Where is my parcel?")
    page = await owner.enters(f"/inbox/{answer.conversation}")
    await expect(page.locator(".message.visitor")).to_be_visible()
    await page.context.clear_cookies()
    await page.get_by_label("Reply to the visitor").fill("It is on its way.")
    await page.get_by_label("Reply to the visitor").press("Enter")

    await expect(page.get_by_text("Your session has ended")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await owner.log_in(page)
    await page.get_by_role("button", name="Send again").click()
    await expect(page.locator(".message.admin:not(.sending, .failed)")).to_have_count(1)
    visits.forgive("401")


async def _reply(page: Page) -> None:
    await page.get_by_label("Reply to the visitor").fill("Hello")
    await page.get_by_label("Reply to the visitor").press("Enter")


async def _note(page: Page) -> None:
    await page.get_by_role("button", name="Note", exact=True).click()
    await page.get_by_label("Note for your team").fill("Hello")
    await page.get_by_label("Note for your team").press("Enter")


async def _tag(page: Page) -> None:
    await page.get_by_label("Tags").fill("parcel")
    await page.get_by_label("Tags").press("Enter")


async def _assign(page: Page) -> None:
    await page.get_by_label("Assigned to").last.select_option(label="Me")


async def _ask(page: Page) -> None:
    await page.get_by_label("Question").fill("Where?")
    await page.get_by_role("button", name="Search").click()


async def _change(page: Page) -> None:
    await page.get_by_label("Name").fill("Another")
    await page.get_by_role("button", name="Save changes").click()


def _clicks(*names: str) -> Step:
    async def click(page: Page) -> None:
        for name, where in zip(names, ("main", "dialog"), strict=False):  # toasts have buttons, too
            within = page.locator(where)
            await within.get_by_role("button", name=name, exact=True).last.click()

    return click


def _fills(opens: str, field: str, text: str, sends: str) -> Step:
    async def fill(page: Page) -> None:
        await page.get_by_role("button", name=opens, exact=True).first.click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label(field, exact=True).first.fill(text)
        await dialog.get_by_role("button", name=sends, exact=True).last.click()

    return fill


async def test_no_act_that_is_refused_passes_in_silence(owner: Owner, visits: Visits) -> None:
    """Each is refused in turn with 500, 429 and 503; what was written stays to be sent again."""
    chatbot = await owner.api.chatbot("Kayak help")
    talk = (await owner.api.ask(chatbot, "Where is my parcel?")).conversation
    thread = f"inbox/{talk}"
    acts: list[tuple[str, Step, str | None]] = [
        (thread, _reply, "Hello"),
        (thread, _note, "Hello"),
        (thread, _tag, None),
        (thread, _assign, None),
        (thread, _clicks("Take over"), None),
        (thread, _clicks("Resolve"), None),
        (thread, _clicks("Delete this visitor's data", "Delete the data"), None),
        ("unanswered", _clicks("Dismiss", "Dismiss"), None),
        (f"chatbots/{chatbot}/knowledge/search", _ask, "Where?"),
        ("settings/keys", _fills("New key", "Name", "CRM", "Make the key"), "CRM"),
        ("settings/team", _fills("Invite", "E-mail", "a@example.com", "Invite"), "a@example.com"),
        (
            "settings/webhooks",
            _fills("Add an endpoint", "Address", "https://example.com/a", "Add"),
            "https://example.com/a",
        ),
        (f"chatbots/{chatbot}/personality", _change, "Another"),
    ]
    answers = [(500, "Something broke."), (429, "Too much at once."), (503, "Away for a moment.")]
    page = await owner.page("/overview", viewport={"width": 1400, "height": 900})
    await owner.log_in(page)
    await page.locator(".side").wait_for()
    refused = {"status": 500, "said": ""}

    async def refuse(route: Route) -> None:
        if route.request.method == "GET" or "typing" in route.request.url:
            await route.continue_()
            return
        said = {"code": "x", "message": refused["said"]}
        headers = {"Retry-After": "7"} if refused["status"] != 500 else {}
        await route.fulfill(status=int(refused["status"]), json={"error": said}, headers=headers)

    await page.route("**/api/**", refuse)
    for n, (path, act, written) in enumerate(acts):
        status, why = answers[n % 3]
        refused["status"], refused["said"] = status, f"{why} ({n})"  # none is taken for another
        await go(page, path)
        await act(page)
        told = page.locator("[role=alert], .toast.bad, .wrong").filter(has_text=f"{why} ({n})")
        await expect(told.first).to_be_visible()
        if written:
            kept = await page.evaluate(
                "(text) => document.body.innerText.includes(text)"
                " || [...document.querySelectorAll('input, textarea')].some((e) => e.value === text)",
                written,
            )
            assert kept, path
        if await page.locator("dialog[open]").count():
            await page.keyboard.press("Escape")
            await expect(page.locator("dialog[open]")).to_have_count(0)
    visits.forgive("500", "429", "503")


async def test_what_others_write_stays_text_and_fits(owner: Owner) -> None:
    chatbot = await owner.api.chatbot(f"{HOSTILE[:60]}")
    evil = f"{HOSTILE} {LINK} {LONG}"
    await owner.api.knows(chatbot, "What about the parcel?", evil)
    asked = await owner.api.ask(chatbot, "What about the parcel?")
    await owner.api.ask(chatbot, evil, conversationId=asked.conversation)
    path = f"/api/conversations/{asked.conversation}"
    await asyncio.gather(
        owner.api.post(f"{path}/tags", {"tags": [HOSTILE[:60]]}),
        owner.api.post(f"{path}/notes", {"text": evil}),
        owner.api.post(f"{path}/escalate", {"reason": evil[:300]}),
        owner.api.post("/api/keys", {"name": evil[:190], "scopes": ["chat"]}),
        owner.api.post(
            "/api/users", {"email": f"{chatbot}@example.com", "name": evil[:190], "role": "agent"}
        ),
        owner.api.post(
            "/api/webhooks", {"url": "https://example.com/" + LONG, "description": evil[:400]}
        ),
    )
    page = await owner.enters(
        f"/inbox/{asked.conversation}", viewport={"width": 360, "height": 780}
    )
    await expect(page.locator(".message.bot").first).to_contain_text("onerror")
    bot = f"chatbots/{chatbot}"
    screens = [f"inbox/{asked.conversation}", "inbox", "unanswered", "chatbots", f"{bot}/knowledge"]
    for screen in [*screens, "settings/keys", "settings/team", "settings/webhooks", bot]:
        await go(page, screen)
        assert await page.locator("main img, main script, main [href^=javascript]").count() == 0
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{screen} is {wide} px too wide"
    assert await page.evaluate("window.hacked") is None

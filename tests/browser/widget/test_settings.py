"""What the chatbot's settings and the page it is on make of the widget."""

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.shop import LOGO, Shop, Widget, latest
from tests.browser.visits import LOOK_INSIDE, Visits, look
from tests.e2e.client import Api

QUESTION = "Where is the office?"
SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
HEARS = """
window.tones = 0;
window.AudioContext = class {
  currentTime = 0;
  createGain() { return {gain: {setValueAtTime() {}, exponentialRampToValueAtTime() {}}, connect() {}}; }
  createOscillator() {
    return {frequency: {}, connect: (to) => to, start: () => tones++, stop() {}};
  }
  close() {}
};
"""


async def _draws(route: Route) -> None:
    await route.fulfill(content_type="image/svg+xml", body=SQUARE)


async def test_it_looks_as_its_settings_say(visits: Visits, shop: Shop, bot: str, api: Api) -> None:
    appearance = {
        "primaryColor": "#7c2d12",
        "textColor": "#fff7ed",
        "position": "left",
        "launcherText": "Ask the harbour",
        "logoUrl": LOGO,
        "theme": "dark",
    }
    changes = {"appearance": appearance, "personality": {"greeting": "Ahoy! What can I do?"}}
    await api.call("PATCH", f"/api/chatbots/{bot}", changes)
    page = await visits.page(
        "about:blank", viewport={"width": 1100, "height": 800}, color_scheme="light"
    )
    await page.route(LOGO, _draws)
    await page.goto(shop.url)
    widget = Widget(page)

    await expect(widget.launcher).to_contain_text("Ask the harbour")
    await expect(widget.launcher).to_have_css("background-color", "rgb(124, 45, 18)")
    await expect(widget.launcher).to_have_css("color", "rgb(255, 247, 237)")
    await widget.open()
    for part in (widget.launcher, widget.panel):
        box = await part.bounding_box()
        assert box is not None
        assert box["x"] < 100
    await expect(widget.panel.locator("header img")).to_have_attribute("src", LOGO)
    await expect(widget.panel).to_have_css("background-color", "rgb(32, 36, 46)")
    await expect(widget.bubble.first).to_have_text("Ahoy! What can I do?")
    assert await look(page, "widget-settings") == []


@pytest.mark.parametrize(
    ("of_page", "in_tag", "of_chatbot", "says"),
    [
        ("fr-CA", "", "en", "Écrivez un message…"),
        ("fr", 'data-language="de"', "en", "Nachricht schreiben…"),
        ("xx", "", "es", "Escribe un mensaje…"),
    ],
    ids=["page", "tag", "chatbot"],
)
async def test_it_speaks_as_the_tag_the_page_or_the_chatbot_says(
    of_page: str,
    in_tag: str,
    of_chatbot: str,
    says: str,
    visits: Visits,
    shop: Shop,
    bot: str,
    api: Api,
) -> None:
    await api.call("PATCH", f"/api/chatbots/{bot}", {"language": of_chatbot})
    shop.language, shop.attributes = of_page, f"{in_tag} data-open"
    widget = Widget(await visits.page(shop.url))
    await expect(widget.field).to_have_attribute("placeholder", says)


async def test_sound_is_off_until_it_is_wished_for(
    visits: Visits, shop: Shop, bot: str, api: Api
) -> None:
    page = await visits.page(shop.url, init=LOOK_INSIDE + HEARS)
    widget = Widget(page)
    await widget.open()
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    path = f"/api/conversations/{(await latest(api, bot))['id']}"
    await api.post(f"{path}/escalate", {})
    await api.post(f"{path}/reply", {"message": "One"})
    await expect(widget.admin).to_have_count(1)
    assert await page.evaluate("tones") == 0

    await page.get_by_role("button", name="More options").click()
    await page.get_by_role("button", name="Sound for new messages").click()
    await api.post(f"{path}/reply", {"message": "Two"})
    await expect(widget.admin).to_have_count(2)
    assert await page.evaluate("tones") == 1
    await page.reload()
    await page.get_by_role("button", name="More options").click()
    sound = page.get_by_role("button", name="Sound for new messages")
    await expect(sound).to_have_attribute("aria-pressed", "true")


async def test_scripts_of_the_page_use_it_as_a_module(visits: Visits, shop: Shop, bot: str) -> None:
    shop.tags = 0
    page = await visits.page(shop.url)
    heard = await page.evaluate(
        """async ([address, chatbot, question]) => {
            const { start } = await import(address);
            const heard = [];
            const widget = await start({ chatbot });
            const same = (await start({ chatbot })) === widget;
            const off = widget.on("open", () => heard.push("open"));
            widget.on("message", ({ sender, text }) => heard.push([sender, text.slice(0, 13)]));
            widget.on("close", () => heard.push("close"));
            await widget.open();
            await widget.close();
            off();
            await widget.send(question);
            await widget.close();
            const refused = await widget.identify({ userId: "ada", userHash: "0" }).catch((e) => e.code);
            return [...heard, same, refused];
        }""",
        [f"{shop.widget}/widget.mjs", bot, QUESTION],
    )
    answered = ["bot", "The office is"]
    assert heard == ["open", "close", answered, "close", True, "identity_invalid"]
    visits.forgive("403")


async def test_the_page_cannot_look_inside(visits: Visits, shop: Shop, bot: str) -> None:
    page = await visits.page(shop.url, init="")
    element = page.locator("chattery-widget")
    await element.wait_for(state="attached")
    assert await element.evaluate("(e) => e.shadowRoot") is None
    assert await element.evaluate("(e) => e.childNodes.length") == 0


async def test_who_listens_hears_an_answer_once_and_who_wants_no_motion_sees_none(
    visits: Visits, shop: Shop, bot: str
) -> None:
    page = await visits.page(shop.url, reduced_motion="reduce")
    widget = Widget(page)
    await widget.open()
    status = page.locator("chattery-widget .panel [role=status]")
    await status.evaluate(
        "(e) => new MutationObserver(() => (window.said ??= []).push(e.textContent))"
        ".observe(e, {childList: true, characterData: true, subtree: true})"
    )
    await expect(widget.log).to_have_attribute("aria-live", "off")
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    await expect(status).to_contain_text("12 Harbour Street")
    assert len(await page.evaluate("said")) == 1
    for part in (widget.panel, widget.launcher, widget.message.last):
        await expect(part).to_have_css("animation-name", "none")


async def _fills(api: Api, bot: str, page: Page, many: int) -> None:
    """A conversation as long as few are."""
    widget = Widget(page)
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    path = f"/api/conversations/{(await latest(api, bot))['id']}"
    for n in range(many):
        sent = await api.post(f"{path}/reply", {"message": f"Line {n}.", "force": True})
        assert sent.status == 201, sent.body


async def test_a_long_conversation_opens_at_its_end_and_is_whole_on_demand(
    widget: Widget, api: Api, bot: str
) -> None:
    page = widget.page
    await _fills(api, bot, page, 210)
    await page.reload()
    await expect(widget.admin).to_have_count(100)
    await expect(widget.admin.last).to_be_in_viewport()
    await page.get_by_role("button", name="More options").click()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download transcript").click()
    text = (await (await download.value).path()).read_text()
    assert [text.count(f"Line {n}.") for n in (0, 109, 209)] == [1, 1, 1]

    earlier = page.get_by_role("button", name="Earlier messages")
    await earlier.click()
    await expect(widget.admin).to_have_count(200)
    await expect(widget.page.get_by_text("Line 110.")).to_be_in_viewport()  # where one was
    await earlier.click()
    await expect(widget.admin).to_have_count(210)
    await expect(earlier).to_have_count(0)
    said = await widget.admin.locator(".bubble").all_inner_texts()
    assert said == [f"Line {n}." for n in range(210)]

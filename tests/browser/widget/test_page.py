"""What the widget is to the page around it, to its visitors' eyes, ears and hands, and its size."""

import gzip
from pathlib import Path

from playwright.async_api import expect

from services.gateway.pages import STATIC
from tests.browser.shop import HOSTILE, Shop, Widget
from tests.browser.visits import Visits, look
from tests.e2e.client import Api

LOADER = 5_000  # bytes, as it is
WHOLE = 40_000  # bytes, packed


async def test_it_is_one_element_and_leaves_the_page_alone(
    visits: Visits, shop: Shop, bot: str
) -> None:
    shop.tags = 3
    page = await visits.page(shop.url)
    before = await page.evaluate("document.querySelector('main').outerHTML")
    widget = Widget(page)
    await widget.open()

    await expect(page.locator("chattery-widget")).to_have_count(1)
    assert await page.evaluate("document.querySelector('main').outerHTML") == before
    assert await page.evaluate("document.adoptedStyleSheets.length") == 0
    assert await page.evaluate("document.styleSheets.length") == 1
    assert await page.evaluate("Object.keys(document.body.dataset).length") == 0


async def test_a_hostile_stylesheet_changes_nothing(visits: Visits, shop: Shop, bot: str) -> None:
    shop.style = HOSTILE
    widget = Widget(await visits.page(shop.url, viewport={"width": 1100, "height": 800}))
    await widget.open()

    await widget.page.mouse.move(0, 0)  # it rises a little under the pointer
    await look(widget.page, "widget-hostile")
    box = await widget.launcher.bounding_box()
    assert box == {"x": 1024, "y": 724, "width": 56, "height": 56}
    size = await widget.bubble.first.evaluate("e => getComputedStyle(e).fontSize")
    assert size == "15px"


async def test_everything_can_be_done_with_the_keyboard(
    visits: Visits, shop: Shop, bot: str
) -> None:
    page = await visits.page(shop.url)
    widget = Widget(page)
    await widget.launcher.wait_for()
    await page.keyboard.press("Tab")
    await expect(widget.launcher).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(widget.field).to_be_focused()
    await page.keyboard.type("Where is the office?")
    await page.keyboard.press("Enter")
    await widget.answers("12 Harbour Street")
    await page.get_by_role("button", name="More options").press("Enter")
    await expect(page.get_by_role("button", name="Talk to a person")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(widget.menu).to_be_hidden()
    await expect(page.get_by_role("button", name="More options")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(widget.panel).to_be_hidden()
    await expect(widget.launcher).to_be_focused()


async def test_focus_stays_in_a_panel_that_covers_the_page(
    visits: Visits, shop: Shop, bot: str
) -> None:
    page = await visits.page(shop.url, viewport={"width": 360, "height": 640})
    widget = Widget(page)
    await widget.open()
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.localName") == "chattery-widget"


async def test_arabic_is_written_from_right_to_left(visits: Visits, shop: Shop, bot: str) -> None:
    shop.language = "ar"
    page = await visits.page(shop.url, viewport={"width": 375, "height": 760})
    widget = Widget(page)
    await widget.open()

    await expect(widget.root).to_have_attribute("dir", "rtl")
    await expect(widget.field).to_have_attribute("placeholder", "اكتب رسالة…")
    close = await page.get_by_role("button", name="إغلاق المحادثة").first.bounding_box()
    assert close is not None
    assert close["x"] < 60
    assert await look(page, "widget-arabic") == []


async def test_out_of_hours_is_said_when_a_person_is_asked_for(
    visits: Visits, shop: Shop, bot: str, api: Api
) -> None:
    closed = {
        "businessHours": [{"day": 1, "open": "00:00", "close": "00:00"}],
        "outOfHoursMessage": "We are back on Monday at nine.",
    }
    await api.call("PATCH", f"/api/chatbots/{bot}", {"handoff": closed})
    widget = Widget(await visits.page(shop.url))
    await widget.open()
    await widget.page.get_by_role("button", name="More options").click()
    await widget.page.get_by_role("button", name="Talk to a person").click()

    await expect(widget.system).to_have_text("We are back on Monday at nine.")
    await expect(widget.notice).to_be_hidden()  # once is enough
    await look(widget.page, "widget-closed-hours")


async def test_colours_that_cannot_be_read_are_put_right(
    visits: Visits, shop: Shop, bot: str, api: Api
) -> None:
    pale = {"appearance": {"primaryColor": "#ffe066", "textColor": "#ffffff"}}
    await api.call("PATCH", f"/api/chatbots/{bot}", pale)
    page = await visits.page(shop.url)
    await Widget(page).open()
    assert await look(page, "widget-pale") == []


async def test_at_twice_the_size_nothing_is_out_of_reach(
    visits: Visits, shop: Shop, bot: str
) -> None:
    page = await visits.page(
        shop.url, viewport={"width": 640, "height": 360}, device_scale_factor=2
    )
    widget = Widget(page)
    await widget.open()
    for part in (widget.field, page.get_by_role("button", name="Close chat").first):
        await expect(part).to_be_in_viewport(ratio=1)


async def test_it_is_small_and_kept_by_browsers(visits: Visits, shop: Shop, bot: str) -> None:
    page = await visits.page("about:blank")
    kept: dict[str, str] = {}
    page.on(
        "response",
        lambda r: (
            kept.update({r.url: r.headers.get("cache-control", "")}) if ".js" in r.url else None
        ),
    )
    shop.language = "ru"
    await page.goto(shop.url)
    await Widget(page).open()

    names = [url.rpartition("/")[2] for url in kept]
    loader, *modules = sorted(names, key=lambda name: name != "widget.js")
    assert loader == "widget.js"
    assert len([name for name in names if name.startswith("text-")]) == 1
    packed = sum(len(gzip.compress(_file(name), 9)) for name in modules)
    assert len(_file("widget.js")) <= LOADER
    assert packed <= WHOLE
    assert all("immutable" in kept[url] for url in kept if not url.endswith("widget.js"))
    print(f"widget: loader {len(_file('widget.js'))} B, all the rest {packed} B packed")


def _file(name: str) -> bytes:
    return Path(STATIC / "widget" / name).read_bytes()

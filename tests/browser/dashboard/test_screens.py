"""Every screen, dialog and menu of the dashboard: fits a phone, is accessible, is kept to look at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.owner import DESK, GO, Owner, Site, go
from tests.browser.visits import Visits, look
from tests.e2e.client import Receiver

PHONE = {"width": 360, "height": 780}
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
MOST_SCRIPT = 200_000  # bytes, packed, for one screen; here they are all seen
SCRIPTS = """performance.getEntriesByType("resource").filter((e) => /[.]m?js$/.test(e.name))
    .reduce((sum, e) => sum + e.encodedBodySize, 0)"""
SETTINGS = ["profile", "team", "keys", "webhooks", "usage", "audit", "account"]
TABS = ["personality", "appearance", "handoff", "access", "limits", "install"]


class Tour:
    """Walks through an account that has something everywhere, and minds what it sees."""

    def __init__(self, page: Page, look_of_it: str) -> None:
        self.page = page
        self._look = look_of_it
        self.found: dict[str, Any] = {}

    async def to(self, path: str) -> None:
        await go(self.page, path)

    async def see(self, name: str, part: str = "html") -> None:
        found = await look(self.page, f"dashboard-{name}-{self._look}", part=part)
        wide = await self.page.evaluate(
            "(part) => Math.max(...[...document.querySelectorAll(part)].map("
            "(e) => e.scrollWidth - e.clientWidth))",
            part,
        )
        if found or wide > 0:
            self.found[name] = found or f"{wide} px too wide"

    async def click(self, name: str, role: Any = "button") -> None:
        await self.page.get_by_role(role, name=name, exact=True).first.click()

    @asynccontextmanager
    async def dialog(self, name: str) -> AsyncIterator[None]:
        """What opens is looked at, used, and shut."""
        box = self.page.locator("dialog[open]")
        await box.wait_for()
        await self.see(name, "dialog[open]")
        yield
        if await box.count():
            await self.page.keyboard.press("Escape")
            await box.wait_for(state="detached")


async def _furnished(owner: Owner, site: Site, hook: str) -> dict[str, str]:
    """An account with something on every screen."""
    api = owner.api
    bot = await api.chatbot("Kayak help")
    webhook, crawl, _, _, talk = await asyncio.gather(
        api.post("/api/webhooks", {"url": hook, "description": f"CRM {LONG}"}),
        api.post("/api/knowledge/scrape", {"chatbotId": bot, "url": site.url}),
        api.post("/api/users", {"email": f"{bot}@example.com", "name": "Ada", "role": "agent"}),
        api.post("/api/keys", {"name": "CRM sync", "scopes": ["chat"]}),
        api.ask(bot, f"أين طردي؟ {LONG}"),
    )
    path = f"/api/conversations/{talk.conversation}"
    await api.post(f"{path}/escalate", {"reason": "A parcel is lost."})
    await api.post(f"{path}/tags", {"tags": ["parcel", "طرد", LONG[:60]]})
    await api.post(f"{path}/notes", {"text": "Parcel 17 is in Hamburg."})
    await api.post(f"{path}/reply", {"message": "I am looking for it.\n\nOne moment."})
    sent = await api.post(f"/api/webhooks/{webhook.body['id']}/test", {"event": "escalation"})
    done = await api.settled(crawl.body["id"])
    children = await api.get(f"/api/knowledge?chatbotId={bot}&parentId={done['id']}")
    failed = next(page["id"] for page in children.body["data"] if page["status"] == "failed")
    ready = next(page["id"] for page in children.body["data"] if page["status"] == "ready")
    return {
        "bot": bot,
        "talk": talk.conversation,
        "webhook": webhook.body["id"],
        "delivery": sent.body["id"],
        "crawl": done["id"],
        "failed": failed,
        "ready": ready,
    }


@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("desktop", "dark")])
async def test_every_screen_is_accessible_and_fits(
    owner: Owner, site: Site, visits: Visits, size: str, scheme: str
) -> None:
    async with Receiver.open() as receiver:
        receiver.answer = 500
        there = await _furnished(owner, site, receiver.url)
        page = await owner.enters(
            "/overview",
            viewport=PHONE if size == "phone" else DESK,
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        tour = Tour(page, f"{size}-{scheme}")
        await _screens(tour, there)
        await _conversations(tour, there)
        await _knowledge(tour, there)
        await _settings(tour, there)
        await _asked_before(tour, there)
        visits.forgive("404")  # of a chatbot that is gone
        scripts = await page.evaluate(SCRIPTS)
        print(f"dashboard: {scripts} B of scripts on the way, all screens together")
        assert 10_000 < scripts <= MOST_SCRIPT
        assert tour.found == {}


async def _screens(tour: Tour, there: dict[str, str]) -> None:
    bot = f"chatbots/{there['bot']}"
    screens = ["overview", "unanswered", "chatbots", "start", f"start/{there['bot']}"]
    screens += [f"settings/{tab}" for tab in SETTINGS] + [f"{bot}/{tab}" for tab in TABS]
    for path in [*screens, "chatbots/bot_gone", "nowhere"]:
        await tour.to(path)
        await tour.see(path.replace(there["bot"], "bot").replace("/", "-"))
    if await tour.page.locator(".top").is_visible():
        await tour.click("Menu")
        await tour.see("menu")
        await tour.page.keyboard.press("Escape")
    else:
        await tour.page.locator(".foot .who").click()
        await tour.see("menu-of-me")
        await tour.page.keyboard.press("Escape")


async def _conversations(tour: Tour, there: dict[str, str]) -> None:
    await tour.to("inbox")
    await tour.see("inbox")
    await tour.click("Filter")
    await tour.see("inbox-filters")
    await tour.click("Keyboard shortcuts")
    async with tour.dialog("inbox-shortcuts"):
        pass
    await tour.to("inbox?status=resolved")
    await tour.see("inbox-empty")
    await tour.to(f"inbox/{there['talk']}")
    await tour.see("thread")
    if await tour.page.get_by_role("button", name="Show details").count():
        await tour.click("Show details")
    await tour.see("thread-details")
    await tour.click("Delete this visitor's data")
    async with tour.dialog("confirm"):
        pass


async def _knowledge(tour: Tour, there: dict[str, str]) -> None:
    home = f"chatbots/{there['bot']}/knowledge"
    await tour.to(home)
    await tour.see("knowledge")
    for way in ("A site", "One page", "Files", "A text", "A question and its answer"):
        await tour.click("Add knowledge")
        await tour.click(way)
        async with tour.dialog(f"knowledge-add-{way.split()[-1]}"):
            pass
    for name in ("crawl", "failed", "ready"):
        await tour.to(f"{home}/{there[name]}")
        await tour.see(f"knowledge-{name}")
    await tour.to(f"{home}/search?q=How many days may I return a kayak")
    await tour.page.locator("meter").first.wait_for()
    await tour.see("knowledge-search")


async def _settings(tour: Tour, there: dict[str, str]) -> None:
    await tour.to("settings/keys")
    await tour.click("New key")
    async with tour.dialog("key-new"):
        await tour.page.get_by_label("Name").fill("Mine")
        await tour.click("Make the key")
        await tour.page.locator("dialog code").wait_for()
        await tour.see("key-made", "dialog[open]")
    await tour.to("settings/team")
    await tour.click("Invite")
    async with tour.dialog("team-invite"):
        pass
    await tour.to("settings/webhooks")
    await tour.click("Add an endpoint")
    async with tour.dialog("webhook-new"):
        await tour.page.locator("dialog summary").click()
        await tour.see("webhook-new-more", "dialog[open]")
    await tour.to(f"settings/webhooks/{there['webhook']}")
    await tour.see("webhook")
    for name in ("Change…", "Show the secret", "Rotate the secret…", "Send again…", "Switch off…"):
        await tour.click("Actions")
        await tour.click(name)
        async with tour.dialog(f"webhook-{name.split()[0].strip('…').lower()}"):
            pass
    await tour.to(f"settings/webhooks/{there['webhook']}?delivery={there['delivery']}")
    await tour.page.locator("dialog .attempts li").first.wait_for()
    async with tour.dialog("delivery"):
        pass


async def _asked_before(tour: Tour, there: dict[str, str]) -> None:
    """What can't be taken back is asked about."""
    await tour.to("unanswered")
    await tour.click("Use the answer")  # of the colleague
    async with tour.dialog("unanswered-answer"):
        pass
    await tour.to(f"chatbots/{there['bot']}/limits")
    await tour.click("Delete this chatbot")
    async with tour.dialog("chatbot-delete"):
        pass
    await tour.page.get_by_label("Tokens a day").fill("1000")
    await tour.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await tour.see("chatbot-not-saved")
    await tour.page.evaluate(GO, "/dashboard/chatbots")
    async with tour.dialog("chatbot-leave"):
        await tour.click("Leave")


async def test_what_cannot_be_read_says_so_and_is_tried_again(owner: Owner, visits: Visits) -> None:
    await owner.api.chatbot("Kayak help")
    page = await owner.enters("/chatbots", reduced_motion="reduce")
    tour = Tour(page, "desktop-light")

    async def refuse(route: Route) -> None:
        said = {"code": "unavailable", "message": "Storage is away for a moment."}
        await route.fulfill(status=503, json={"error": said})

    for path, api in (
        ("overview", "analytics/overview"),
        ("inbox", "conversations"),
        ("settings/audit", "audit"),
    ):
        await page.route(f"**/api/{api}?*", refuse)
        await tour.to(path)
        problem = page.get_by_role("alert").first
        await expect(problem).to_contain_text("Storage is away")
        await tour.see(f"problem-{path.replace('/', '-')}")
        await page.unroute_all()
        await problem.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("alert")).to_have_count(0)
    visits.forgive("503")
    assert tour.found == {}

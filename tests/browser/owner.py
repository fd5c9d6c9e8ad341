"""The owner of an account of its own, in front of the dashboard; and a site of theirs to be read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from playwright.async_api import Page

from tests.browser.visits import Visits
from tests.e2e.client import Api
from tests.serving import serving

DESK = {"width": 1280, "height": 860}
PASSWORD = "correct horse battery"
ARRIVED = """() => document.querySelector("main h1, main h2")
    && !document.querySelector(".bone, .spin")"""
GO = """(path) => {
    history.pushState(null, "", path);
    dispatchEvent(new PopStateEvent("popstate"));
    return new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
}"""
PAGES = {
    "/": "<title>Harbour Kayaks</title><main><h1>Harbour Kayaks</h1><p>We rent kayaks and tents by"
    ' the day.</p><a href="/returns">Returns</a> <a href="/prices">Prices</a></main>',
    "/returns": "<title>Returns</title><main><h1>Returns</h1><p>You may return a kayak within 45"
    " days, and get your money back within a week.</p></main>",
}


@dataclass
class Owner:
    """A person with an empty account."""

    base: str
    email: str
    api: Api
    visits: Visits

    async def page(self, path: str = "", **how: Any) -> Page:
        """The dashboard, before one is logged in."""
        return await self.visits.page(f"{self.base}/dashboard{path}", **{"viewport": DESK, **how})

    async def enters(self, path: str = "", **how: Any) -> Page:
        page = await self.page(path, **how)
        await self.log_in(page)
        await page.locator(".side").wait_for(state="attached")
        return page

    async def log_in(self, page: Page, password: str = PASSWORD) -> None:
        await page.get_by_label("Email").fill(self.email)
        await page.get_by_label("Password").fill(password)
        await page.get_by_role("button", name="Log in").click()


async def go(page: Page, path: str) -> None:
    """To another screen, as a link within the dashboard leads there; waits until it is read."""
    await page.evaluate(GO, f"/dashboard/{path}")
    await page.wait_for_function(ARRIVED)


@dataclass
class Site:
    """Pages by path, on loopback. ``slow`` holds every page but the first back until it is set."""

    pages: dict[str, str] = field(default_factory=lambda: dict(PAGES))
    slow: asyncio.Event | None = None
    url: str = ""

    async def _page(self, request: web.Request) -> web.Response:
        if request.path not in self.pages:
            raise web.HTTPNotFound
        if self.slow and request.path != "/":
            await self.slow.wait()
        text = f"<!doctype html>{self.pages[request.path]}"
        return web.Response(text=text, content_type="text/html")

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Site"]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._page)
        async with serving(app) as url:
            self.url = f"{url}/"
            try:
                yield self
            finally:
                if self.slow:
                    self.slow.set()

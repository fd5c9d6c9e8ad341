"""An account of its own for each test, and its owner in front of the dashboard."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page

from libs.common.ids import new_id
from tests.browser.conftest import Visits
from tests.conftest import RunningStack
from tests.e2e.client import Api

DESK = {"width": 1280, "height": 860}
PASSWORD = "correct horse battery"
PAGES = {
    "/": "<title>Harbour Kayaks</title><main><h1>Harbour Kayaks</h1><p>We rent kayaks and tents by"
    ' the day.</p><a href="/returns">Returns</a></main>',
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


@pytest_asyncio.fixture(loop_scope="session")
async def owner(stack: RunningStack, visits: Visits, api: Api) -> Owner:
    email = f"{new_id('usr')}@example.com"
    account = {"name": "Harbour", "plan": "enterprise", "email": email, "password": PASSWORD}
    operator = Api(api.session, stack.base_url, stack.dev["operatorToken"])
    made = await operator.post("/api/accounts", account)
    assert made.status == 201, made.body
    return Owner(
        stack.base_url, email, Api(api.session, stack.base_url, made.body["apiKey"]), visits
    )


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[str]:
    """A site of two pages, on loopback; its address."""

    async def page(request: web.Request) -> web.Response:
        if request.path not in PAGES:
            raise web.HTTPNotFound
        return web.Response(text=f"<!doctype html>{PAGES[request.path]}", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()

"""A real browser on real pages. Screenshots stay in ``artifacts/browser`` for a person to look at."""

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.conftest import ROOT, RunningStack
from tests.e2e.client import PATIENCE, Api, PatientApi

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
SHOTS = ROOT / "artifacts" / "browser"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Tests look into the closed shadow roots that pages can't.
LOOK_INSIDE = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (how) { return attach.call(this, {...how, mode: "open"}); };
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on one event loop, as they share the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def api(stack: RunningStack) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield PatientApi(session, stack.base_url, stack.api_key)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("The browser tests need Chromium: run `apt install chromium`.", pytrace=False)
    async with async_playwright() as playwright:
        expect.set_options(timeout=PATIENCE * 1000)
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@dataclass
class Visits:
    """Opens pages, each from an address of its own, and minds what they complain about."""

    browser: Browser
    api: Api
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def page(self, url: str, *, init: str = "", **how: Any) -> Page:
        if url.startswith(self.api.base):  # on another origin, browsers ask before they send it
            how["extra_http_headers"] = {"X-Forwarded-For": self.api.address}
        context = await self.browser.new_context(**how)
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        await context.add_init_script(LOOK_INSIDE + init)
        page = await context.new_page()
        page.on("console", lambda m: self._heard(m.type, m.text))
        page.on("pageerror", lambda error: self._heard("error", str(error)))
        await page.goto(url)
        return page

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def forgive(self, *words: str) -> None:
        """Drop complaints that a test provoked itself."""
        self.complaints = [c for c in self.complaints if not any(w in c for w in words)]


@pytest_asyncio.fixture(loop_scope="session")
async def visits(browser: Browser, api: Api) -> AsyncIterator[Visits]:
    """Fails the test when a page logged an error."""
    visits = Visits(browser, api)
    yield visits
    for context in visits.contexts:
        await context.close()
    assert visits.complaints == []


async def look(
    page: Page, name: str, *, settle: int = 350, full_page: bool = False, part: str = "html"
) -> list[dict[str, Any]]:
    """Keep a screenshot, and return what axe-core has against the page, or against parts of it.

    ``settle``: milliseconds to wait; half faded in, nothing has enough contrast.
    """
    SHOTS.mkdir(parents=True, exist_ok=True)
    await page.wait_for_timeout(settle)
    await page.screenshot(path=SHOTS / f"{name}.png", full_page=full_page)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text() + "\n;0")
    found = await page.evaluate(
        f"axe.run([...document.querySelectorAll({json.dumps(part)})], {{runOnly: {json.dumps(RULES)}, resultTypes: ['violations']}})"
    )
    return [
        {"rule": v["id"], "at": [n["target"] for n in v["nodes"]], "why": v["help"]}
        for v in found["violations"]
    ]

"""Pages that a test opens, what they complain about, and what they look like."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page

from tests.conftest import ROOT
from tests.e2e.client import PATIENCE, Api

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
SHOTS = ROOT / "artifacts" / "browser"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Tests look into the closed shadow roots that pages can't.
LOOK_INSIDE = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (how) { return attach.call(this, {...how, mode: "open"}); };
"""
# What was just put in is drawn, and what moves and will come to an end is there.
STAND_STILL = """async () => {
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean);
    const moving = [document, ...roots].flatMap((root) => root.getAnimations())
        .filter((a) => a.playState === "running" && a.effect.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(moving.map((a) => a.finished));
}"""


@dataclass
class Visits:
    """Opens pages, each from an address of its own, and minds what they complain about."""

    browser: Browser
    api: Api
    complaints: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def page(self, url: str, *, init: str = LOOK_INSIDE, **how: Any) -> Page:
        if url.startswith(self.api.base):  # on another origin, browsers ask before they send it
            how["extra_http_headers"] = {"X-Forwarded-For": self.api.address}
        context = await self.browser.new_context(**how)
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        await context.add_init_script(init)
        page = await context.new_page()
        page.on("console", lambda m: self._heard(m.type, m.text))
        page.on("pageerror", lambda error: self._heard("error", str(error)))
        await page.goto(url)
        return page

    def _heard(self, kind: str, text: str) -> None:
        # "Later" is what a busy machine may answer; pages come back, and the test sees that they do.
        known = ["status of 503", *self.forgiven]
        if kind in ("error", "warning") and not any(words in text for words in known):
            self.complaints.append(text)

    def forgive(self, *words: str) -> None:
        """Drop complaints that a test provoked itself, also those that are still on their way."""
        self.forgiven += words
        self.complaints = [c for c in self.complaints if not any(w in c for w in words)]


async def look(
    page: Page, name: str, *, full_page: bool = False, part: str = "html"
) -> list[dict[str, Any]]:
    """Keep a screenshot, and return what axe-core has against the page, or against parts of it.

    Waits for what moves: half faded in, nothing has enough contrast.
    """
    SHOTS.mkdir(parents=True, exist_ok=True)
    await page.evaluate(STAND_STILL)
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

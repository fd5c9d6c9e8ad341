"""A shop's page that embeds the widget, on another origin, under a strict content security policy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from playwright.async_api import Locator, Page

from tests.e2e.client import Api
from tests.serving import serving

LOGO = "https://logo.example/shop.svg"
HOSTILE = """
* { display: none !important; position: static !important; opacity: 0 !important; color: red !important;
    font: 40px serif !important; transform: scale(3) !important; pointer-events: none !important }
html, head, body { display: block !important; opacity: 1 !important; transform: none !important;
    pointer-events: auto !important }
"""


@dataclass
class Shop:
    """The page. ``language`` is its own, ``style`` its stylesheet, ``tags`` how often it embeds."""

    widget: str  # where the widget comes from
    url: str = ""
    chatbot: str = ""
    language: str = "en"
    style: str = ""
    tags: int = 1
    attributes: str = ""  # of the script tag, further ones
    nonce: bool = False  # allowed by a nonce instead of by its address

    async def page(self, _: web.Request) -> web.Response:
        way = "rtl" if self.language == "ar" else "ltr"
        nonce = 'nonce="n0nce"' if self.nonce else ""
        tag = (
            f'<script src="{self.widget}/widget.js" data-chatbot="{self.chatbot}" {nonce}'
            f" {self.attributes} async></script>"
        )
        html = (
            f'<!doctype html><html lang="{self.language}" dir="{way}"><head><title>A shop</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"></head>'
            f"<body><main><h1>A shop</h1><p>Kayaks and tents.</p></main>{tag * self.tags}</body></html>"
        )
        scripts = "'nonce-n0nce' 'strict-dynamic'" if self.nonce else self.widget
        policy = (
            f"default-src 'none'; script-src {scripts}; connect-src {self.widget};"
            " style-src 'self'; img-src data: https://logo.example; require-trusted-types-for 'script'"
        )
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def sheet(self, _: web.Request) -> web.Response:
        return web.Response(text=self.style, content_type="text/css")

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Shop"]:
        app = web.Application()
        app.router.add_get("/", self.page)
        app.router.add_get("/style.css", self.sheet)
        async with serving(app) as url:
            self.url = f"{url}/"
            yield self


@dataclass
class Widget:
    """The widget as a visitor handles it."""

    page: Page

    def __getattr__(self, name: str) -> Locator:
        """Parts by their class: ``widget.launcher``."""
        return self.page.locator(f"chattery-widget .{name}")

    @property
    def field(self) -> Locator:
        return self.page.locator("chattery-widget textarea")

    async def open(self) -> None:
        await self.launcher.click()
        await self.panel.wait_for()

    async def ask(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def answers(self, text: str) -> None:
        await self.page.locator("chattery-widget .message.bot", has_text=text).last.wait_for()
        await self.page.locator("chattery-widget .sources").last.wait_for()


async def latest(api: Api, chatbot: str) -> dict[str, Any]:
    """The conversation that was written in last."""
    return (await api.get(f"/api/conversations?chatbotId={chatbot}&limit=1")).body["data"][0]

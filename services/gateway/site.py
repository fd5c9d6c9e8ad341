"""What is not under ``/api``: health, the contract, the project's own pages."""

import asyncio
import gzip
from functools import cache
from typing import Any

import msgspec
from aiohttp import web

from libs.common.calls.shapes import Reply, Request
from libs.common.errors import NotFound
from libs.common.ids import is_id
from services.gateway import reference
from services.gateway.call import Call
from services.gateway.gateway import Gateway
from services.gateway.pages import IMMUTABLE, PAGE_POLICY, REVALIDATE, SHORT

READY_TIMEOUT = 3.0  # seconds


class AssetName(Request, frozen=True, kw_only=True):
    area: str
    name: str


class VersionedName(Request, frozen=True, kw_only=True):
    area: str
    version: str
    name: str


async def live(_: Gateway, call: Call, __: Any) -> web.Response:
    return web.Response(text="ok\n", headers=call.headers)


async def ready(gateway: Gateway, call: Call, _: Any) -> web.Response:
    """200 while everything a request needs answers; else 503 with what doesn't."""
    failed = ["draining"] if gateway.streams.draining.is_set() else await _failing(gateway)
    text = "ok\n" if not failed else "".join(f"{name}: away\n" for name in failed)
    return web.Response(text=text, status=503 if failed else 200, headers=call.headers)


async def _failing(gateway: Gateway) -> list[str]:
    async def ask(name: str) -> str | None:
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await gateway.checks[name]()
        except Exception:
            return name
        return None

    answers = await asyncio.gather(*(ask(name) for name in gateway.checks))
    return [name for name in answers if name]


@cache
def contract() -> dict[str, Any]:
    """The contract, made once from the table this module is named in."""
    from services.gateway.openapi import document
    from services.gateway.routes import ROUTES

    return document(ROUTES)


@cache
def _contract_json(packed: bool) -> bytes:
    body = msgspec.json.encode(contract())
    return gzip.compress(body, 9, mtime=0) if packed else body


@cache
def _reference(version: str, packed: bool) -> bytes:
    body = reference.page(contract(), version).encode()
    return gzip.compress(body, 9, mtime=0) if packed else body


def _takes_packed(call: Call) -> bool:
    """Whether to send it packed; says so in the answer's headers."""
    call.headers["Vary"] = "Accept-Encoding"
    packed = "gzip" in call.request.headers.get("Accept-Encoding", "")
    if packed:
        call.headers["Content-Encoding"] = "gzip"
    return packed


async def openapi(_: Gateway, call: Call, __: Any) -> web.Response:
    body = await asyncio.to_thread(_contract_json, _takes_packed(call))
    headers = {**call.headers, "Content-Type": "application/json", "Cache-Control": SHORT}
    return web.Response(body=body, headers=headers)


async def home(gateway: Gateway, call: Call, _: Any) -> web.Response:
    return await gateway.pages.serve(call, "site/index.html")


class DemoChatbot(Reply, frozen=True, kw_only=True):
    chatbot_id: str | None


async def demo(gateway: Gateway, _: Call, __: Any) -> DemoChatbot:
    """Which chatbot the project's page lets people try, if there is one."""
    file = gateway.settings.home_chatbot_file
    if file is None:
        return DemoChatbot(chatbot_id=None)
    try:
        found = (await asyncio.to_thread(file.read_text, errors="replace")).strip()
    except OSError:
        return DemoChatbot(chatbot_id=None)
    return DemoChatbot(chatbot_id=found if is_id(found, "bot") else None)


async def docs(gateway: Gateway, call: Call, _: Any) -> web.Response:
    """The contract as a page, to read and to try."""
    version = await asyncio.to_thread(gateway.pages.version, "site")
    body = await asyncio.to_thread(_reference, version, _takes_packed(call))
    headers = {
        **call.headers,
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": SHORT,
        "Content-Security-Policy": PAGE_POLICY,
    }
    return web.Response(body=body, headers=headers)


async def dashboard(gateway: Gateway, call: Call, _: Any) -> web.Response:
    """One page, whichever of its screens is asked for."""
    return await gateway.pages.serve(call, "dashboard/index.html")


async def widget(gateway: Gateway, call: Call, _: Any) -> web.Response:
    """The script other sites embed: as a script, and as a module."""
    _for_anyone(call)
    return await gateway.pages.serve(call, f"widget{call.request.path}", cache=SHORT)


async def versioned(gateway: Gateway, call: Call, request: VersionedName) -> web.Response:
    """``/assets/{area}/{version}/{name}``: kept for ever where the version is today's."""
    if request.area not in ("dashboard", "site", "widget") or ".." in request.name:
        raise NotFound
    if request.area == "widget":
        _for_anyone(call)
    current = await asyncio.to_thread(gateway.pages.version, request.area)
    cache = IMMUTABLE if request.version == current else REVALIDATE
    return await gateway.pages.serve(call, f"{request.area}/{request.name}", cache=cache)


def _for_anyone(call: Call) -> None:
    call.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    call.headers["Access-Control-Allow-Origin"] = "*"


async def asset(gateway: Gateway, call: Call, request: AssetName) -> web.Response:
    """``/assets/{area}/{name}``: a file whose name carries its hash."""
    if request.area not in ("site", "dashboard", "widget") or "/" in request.name:
        raise NotFound
    call.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.area == "widget":
        call.headers["Access-Control-Allow-Origin"] = "*"
    return await gateway.pages.serve(call, f"{request.area}/assets/{request.name}", cache=IMMUTABLE)

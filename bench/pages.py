"""Pages: what the widget, the dashboard and the project's page weigh, and what the launcher costs a page."""

import asyncio
import gzip
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.harness import Report, Row, median
from services.gateway.pages import STATIC

WIDGET = STATIC / "widget"
DASHBOARD = STATIC / "dashboard"
SCREEN_GOAL = 200_000  # bytes of scripts, packed
SCREEN = re.compile(r'title: "([^"]+)", load: \(\) => import\("\.\./([^"]+)"\)')
IMPORT = re.compile(r'\b(?:from|import)\s*["\']([./@a-z][^"\'\s]*)["\']')
LOADER_GOAL = 5_000  # bytes
WIDGET_GOAL = 40_000  # bytes, packed
VISITS = 7  # with and without the widget, in turns
SETTLE = 1_500  # ms until nothing of the launcher is still to come
CHATBOT = {
    "id": "bot_1", "name": "Support", "language": "en", "greeting": "Hi! How can I help?",
    "appearance": {
        "primaryColor": "#4f46e5", "textColor": "#ffffff", "position": "right",
        "launcherText": "", "logoUrl": None, "theme": "auto", "suggestedQuestions": [],
    },
    "handoffEnabled": True, "open": True, "outOfHoursMessage": "", "aiDisclosure": "AI.",
}  # fmt: skip


async def measure(report: Report) -> None:
    _sizes(report)
    _screens(report)
    await _cost(report)


def _sizes(report: Report) -> None:
    scripts = [p for p in WIDGET.glob("*.js") if not p.name.startswith("text-")]
    catalogs = [_packed(p) for p in WIDGET.glob("text-*.js")]
    loader = (WIDGET / "widget.js").stat().st_size
    whole = sum(map(_packed, scripts)) + max(catalogs)
    launcher = sum(
        _packed(WIDGET / f"{name}.js")
        for name in ("widget", "launcher", "api", "colour", "dom", "text")
    )
    report.add(Row("pages", "loader, as it is", loader, "B", goal=f"≤ {LOADER_GOAL}"))
    report.add(Row("pages", "launcher with all it loads, packed", launcher, "B"))
    goal = f"≤ {WIDGET_GOAL}"
    report.add(Row("pages", "widget opened, with a language, packed", whole, "B", goal=goal))
    site = sum(_packed(p) for p in (STATIC / "site").glob("*") if p.name != "docs.js")
    report.add(Row("pages", "the project's page, packed", site, "B"))


def _screens(report: Report) -> None:
    """What each screen of the dashboard needs when it is the first that is opened."""
    named = json.loads(_import_map())
    begin = _needed(DASHBOARD / "main.js", named)
    for title, screen in SCREEN.findall((DASHBOARD / "frame/screens.js").read_text()):
        needed = begin | _needed(DASHBOARD / screen, named)
        size = sum(map(_packed, needed))
        name = f"dashboard, {title}: {len(needed)} scripts, packed"
        report.add(Row("pages", name, size, "B", goal=f"≤ {SCREEN_GOAL}"))


def _import_map() -> str:
    page = (DASHBOARD / "index.html").read_text()
    return json.dumps(
        json.loads(re.findall(r'importmap">(.*?)</script>', page, re.DOTALL)[0])["imports"]
    )


def _needed(path: Path, named: dict[str, str]) -> set[Path]:
    """A module and all that it imports, down to the last."""
    found: set[Path] = set()
    todo = [path]
    while todo:
        if (one := todo.pop()) in found:
            continue
        found.add(one)
        for name in IMPORT.findall(one.read_text()):
            target = str(named.get(name, name)).replace("{{version}}/", "")
            rooted = target.startswith("/assets/")
            todo.append(STATIC / target[8:] if rooted else (one.parent / target).resolve())
    return found


def _packed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


# -- what the launcher costs the page it is on ------------------------------------------------


async def _cost(report: Report) -> None:
    from playwright.async_api import async_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        report.say("  chromium is not installed: what the launcher costs was not measured")
        return
    async with _site() as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        found: dict[bool, list[dict[str, float]]] = {True: [], False: []}
        await _visit(browser, f"{url}/with")  # warms the browser up
        for _ in range(VISITS):
            for with_widget in (True, False):
                name = "with" if with_widget else "without"
                found[with_widget].append(await _visit(browser, f"{url}/{name}"))
        await browser.close()
    for key, measure, unit in (
        ("paint", "first contentful paint of a page with the launcher", "ms"),
        ("load", "load event of a page with the launcher", "ms"),
        ("blocking", "main thread blocked beyond 50 ms a task (TBT)", "ms"),
        ("scripting", "main thread at scripts, all in all", "ms"),
        ("shift", "layout shift", "CLS"),
    ):
        ours, floor = (median([one[key] for one in found[w]]) for w in (True, False))
        report.add(Row("pages", measure, ours, unit, floor=floor, floor_name="without it"))


@asynccontextmanager
async def _site() -> AsyncIterator[str]:
    """A page with and without the widget, and what the launcher asks the gateway for."""

    async def page(request: web.Request) -> web.Response:
        tag = '<script src="/widget.js" data-chatbot="bot_1" async></script>'
        text = "<p>Kayaks, tents and everything else for a week outside.</p>" * 200
        html = (
            '<!doctype html><html lang="en"><head><title>Shop</title></head><body><h1>A shop</h1>'
            f"{text}{tag if request.path == '/with' else ''}</body></html>"
        )
        return web.Response(text=html, content_type="text/html")

    async def script(request: web.Request) -> web.Response:
        name = request.match_info.get("name", "widget.js")
        body = (WIDGET / name).read_bytes().replace(b"{{version}}", b"1")
        return web.Response(
            body=gzip.compress(body, 9),
            content_type="text/javascript",
            headers={"Content-Encoding": "gzip"},
        )

    async def session(_: web.Request) -> web.Response:
        expires = "2099-01-01T00:00:00Z"
        answer = {"visitorId": "vis_1", "token": "vt_1", "expiresAt": expires}
        return web.json_response({**answer, "chatbot": CHATBOT, "conversation": None})

    app = web.Application()
    app.router.add_get("/with", page)
    app.router.add_get("/without", page)
    app.router.add_get("/widget.js", script)
    app.router.add_get("/assets/widget/1/{name}", script)
    app.router.add_post("/api/widget/bot_1/session", session)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _visit(browser: Any, url: str) -> dict[str, float]:
    """One cold visit, traced as Lighthouse does it."""
    context = await browser.new_context(viewport={"width": 412, "height": 823})
    page = await context.new_page()
    with tempfile.NamedTemporaryFile(suffix=".json") as trace:
        await browser.start_tracing(
            page=page, path=trace.name, categories=["devtools.timeline", "loading", "toplevel"]
        )
        await page.goto(url, wait_until="load")
        await page.wait_for_timeout(SETTLE)
        timing = await page.evaluate(
            """() => ({
                paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
                load: performance.getEntriesByType("navigation")[0].loadEventEnd,
            })"""
        )
        await browser.stop_tracing()
        events = json.loads(await asyncio.to_thread(Path(trace.name).read_text))["traceEvents"]
    await context.close()
    return {**timing, **_of_trace(events)}


def _of_trace(events: list[dict[str, Any]]) -> dict[str, float]:
    main = {
        (e["pid"], e["tid"])
        for e in events
        if e.get("name") == "thread_name" and e["args"].get("name") == "CrRendererMain"
    }
    ours = [e for e in events if (e["pid"], e["tid"]) in main and e.get("ph") == "X"]
    tasks = [
        e["dur"] / 1000 for e in ours if e["name"] in ("RunTask", "ThreadControllerImpl::RunTask")
    ]
    scripts = [
        e["dur"] / 1000
        for e in ours
        if e["name"] in ("EvaluateScript", "v8.evaluateModule", "v8.compile", "v8.compileModule")
    ]
    shifts = [
        e["args"]["data"]["score"]
        for e in events
        if e.get("name") == "LayoutShift" and not e["args"]["data"].get("had_recent_input")
    ]
    return {
        "blocking": sum(ms - 50 for ms in tasks if ms > 50),
        "scripting": sum(scripts),
        "shift": sum(shifts),
    }

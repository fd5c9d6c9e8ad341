"""``make demo``: the whole story against the running stack, told on the console.

A site on this machine becomes a chatbot's knowledge, questions are answered from it with their
sources, and every webhook that arrives is checked. Needs a running `make run`.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

HERE = Path(__file__).parent
INDEXING_TIMEOUT = 300.0  # seconds
WEBHOOK_TIMEOUT = 15.0  # seconds after the last answer
SHOWN_QUOTE = 90  # characters

QUESTIONS = (
    ("en", "How long does delivery to Germany take, and what does it cost?"),
    ("en", "I forgot my password. What can I do?"),
    ("en", "My display says E07. What does that mean?"),
    ("en", "How many days do I have to return a bike?"),
    ("en", "How much weight may the E-City carry?"),
    ("en", "What does the rain canopy cost?"),
    ("en", "Which tyre pressure should I use on snow?"),
    ("de", "Wann kommt mein Geld nach einer Rücksendung zurück?"),
    ("es", "¿Cuántos días tengo para devolver la bicicleta?"),
    ("en", "Who won the football World Cup in 2018?"),
)

console = Console(highlight=False)


class DemoFailed(Exception):
    """The demo can't go on, and why."""


@dataclass
class Arrived:
    """A webhook as it came in."""

    event: str
    data: dict[str, Any]
    genuine: bool


@dataclass
class Integrator:
    """The other side: a help centre to read, and an endpoint that takes webhooks."""

    secret: str = ""
    arrived: list[Arrived] = field(default_factory=list)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/webhooks", self._webhook)
        app.router.add_get("/{name:[a-z.-]+}", self._page)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _page(self, request: web.Request) -> web.StreamResponse:
        path = HERE / "help-centre" / request.match_info["name"]
        if not path.is_file():
            raise web.HTTPNotFound
        if path.suffix not in (".xml", ".txt"):
            return web.FileResponse(path)
        text = await asyncio.to_thread(path.read_text)
        return web.Response(
            text=text.replace("{base}", f"{request.scheme}://{request.host}"),
            content_type="application/xml" if path.suffix == ".xml" else "text/plain",
        )

    async def _webhook(self, request: web.Request) -> web.Response:
        """Check the signature over the raw body first, as every receiver should."""
        body = await request.read()
        expected = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        genuine = hmac.compare_digest(expected, request.headers.get("X-Chattery-Signature", ""))
        payload = json.loads(body)
        self.arrived.append(Arrived(payload["event"], payload["data"], genuine))
        return web.Response(status=204)


class Api:
    def __init__(self, session: aiohttp.ClientSession, base: str, key: str) -> None:
        self._session = session
        self._base = base
        self._headers = {"Authorization": f"Bearer {key}"}

    async def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Raises `DemoFailed` with what the API said."""
        async with self._session.request(
            method, self._base + path, headers=self._headers, **kwargs
        ) as reply:
            body = await reply.json() if reply.content_type == "application/json" else {}
            if reply.status == 429:
                pause = int(reply.headers.get("Retry-After", "5"))
                console.print(f"[dim]  the limit is reached; waiting {pause} s[/dim]")
                await asyncio.sleep(pause)
                return await self.call(method, path, **kwargs)
            if reply.status >= 400:
                raise DemoFailed(f"{method} {path} answered {reply.status}: {body.get('error')}")
            return body

    async def items(self, chatbot: str, crawl: str) -> list[dict[str, Any]]:
        """The pages of a crawl, a hundred at most."""
        path = f"/api/knowledge?chatbotId={chatbot}&parentId={crawl}&limit=100"
        return (await self.call("GET", path))["data"]

    async def answer(self, chatbot: str, question: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """The frames of an answer; waits where the limit says so."""
        url = f"{self._base}/api/chat/{chatbot}"
        while True:
            async with self._session.post(url, json=question, headers=self._headers) as reply:
                if reply.status == 429:
                    pause = int(reply.headers.get("Retry-After", "5"))
                    console.print(
                        f"  [dim]ten questions a minute are allowed: waiting {pause} s[/dim]"
                    )
                    await asyncio.sleep(pause)
                    continue
                if reply.status != 200:
                    raise DemoFailed(f"The chat answered {reply.status}: {await reply.text()}")
                async for line in reply.content:
                    if line.startswith(b"data: {"):
                        yield json.loads(line[6:])
                return


async def main() -> None:
    dev = _running_stack()
    integrator = Integrator()
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout) as session, integrator.serve() as site:
        api = Api(session, dev["baseUrl"], dev["apiKey"])
        _step(1, "A chatbot, and an endpoint for its webhooks")
        chatbot = (await api.call("POST", "/api/chatbots", json={"name": "Pedalwerk help"}))["id"]
        hook = await api.call(
            "POST", "/api/webhooks", json={"url": f"{site}/webhooks", "chatbotId": chatbot}
        )
        integrator.secret = hook["secret"]
        console.print(f"  chatbot  [b]{chatbot}[/b]\n  webhooks [b]{site}/webhooks[/b]")

        _step(2, "Knowledge: a help centre by its sitemap, and four documents")
        await _learn(api, chatbot, site)
        (_data() / "demo-chatbot").write_text(chatbot)  # the project's page lets people try it

        _step(3, "Ten questions: two in other languages, one that nothing here can answer")
        for language, question in QUESTIONS:
            await _ask(api, chatbot, language, question)

        _step(4, "What the integrator received")
        await _webhooks(integrator)
        await api.call("DELETE", f"/api/webhooks/{hook['id']}")
    console.print(
        f"\n[green]That was the whole way.[/green] The conversations are in the dashboard, "
        f"{dev['baseUrl']}/dashboard ({dev['email']} / {dev['password']}), and the bot itself "
        f"is on {dev['baseUrl']}/."
    )


def _data() -> Path:
    return Path(os.environ.get("CHATTERY_DATA") or ".chattery")


def _running_stack() -> dict[str, str]:
    path = _data() / "dev.json"
    if not path.exists():
        raise DemoFailed(
            f"No running stack was found ({path} is not there). Start one with `make run` in "
            "another terminal, with the same CHATTERY_DATA."
        )
    return json.loads(path.read_text())


def _step(number: int, title: str) -> None:
    console.print()
    console.rule(f"[b]{number}  {title}", align="left")


# -- knowledge -------------------------------------------------------------------------------


async def _learn(api: Api, chatbot: str, site: str) -> None:
    crawl = await api.call(
        "POST",
        "/api/knowledge/scrape",
        json={"chatbotId": chatbot, "sitemap": f"{site}/sitemap.xml"},
    )
    form = aiohttp.FormData()
    form.add_field("chatbotId", chatbot)
    for path in sorted((HERE / "documents").iterdir()):
        form.add_field("file", path.read_bytes(), filename=path.name)
    uploads = (await api.call("POST", "/api/knowledge/upload", data=form))["data"]
    started = time.monotonic()
    words: float | None = None  # seconds until all could be found by its words
    with Progress(
        TextColumn("  "),
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
    ) as progress:
        pages = progress.add_task("pages", total=None)
        files = progress.add_task("documents", total=len(uploads))
        meaning = progress.add_task("found by meaning", total=None)
        while True:
            crawl = await api.call("GET", f"/api/knowledge/{crawl['id']}")
            items = [await api.call("GET", f"/api/knowledge/{item['id']}") for item in uploads]
            told = crawl["progress"]
            progress.update(pages, total=told["found"] or None, completed=told["indexed"])
            progress.update(files, completed=sum(_settled(item) for item in items))
            if _settled(crawl) and all(_settled(item) for item in items):
                known = [*await api.items(chatbot, crawl["id"]), *items]
                deep = sum(_understood(item) for item in known)
                progress.update(meaning, total=len(known), completed=deep)
                if words is None:
                    words = time.monotonic() - started
                if deep == len(known):
                    break
            if time.monotonic() - started > INDEXING_TIMEOUT:
                raise DemoFailed("Indexing took too long; see the log of ingest.")
            await asyncio.sleep(0.2)
    _show_items(crawl, items)
    console.print(
        f"  [dim]found by words after {words or 0.0:.1f} s, "
        f"by meaning after {time.monotonic() - started:.1f} s[/dim]"
    )


def _settled(item: dict[str, Any]) -> bool:
    return item["status"] in ("ready", "failed")


def _understood(item: dict[str, Any]) -> bool:
    return item["status"] == "failed" or item["semantic"] == "done"


def _show_items(crawl: dict[str, Any], items: list[dict[str, Any]]) -> None:
    told = crawl["progress"]
    console.print(
        f"  [green]✓[/green] {told['indexed']} pages of {crawl['source']}"
        + (f", [red]{told['failed']} failed[/red]" if told["failed"] else "")
    )
    for item in items:
        if item["status"] == "ready":
            count = item["chunks"]
            console.print(
                f"  [green]✓[/green] {item['title']}: {count} passage{'s' * (count != 1)}"
            )
        else:
            console.print(f"  [red]✗[/red] {item['title']}: {item['error']['message']}")


# -- questions -------------------------------------------------------------------------------


async def _ask(api: Api, chatbot: str, language: str, question: str) -> None:
    console.print(f"\n  [b]{escape(question)}[/b]")
    text = ""
    last: dict[str, Any] = {}
    with Live(Text(""), console=console, refresh_per_second=20) as shown:
        async for frame in api.answer(chatbot, {"message": question, "language": language}):
            text += frame["text"]
            last = frame
            shown.update(Padding(Text(text), (0, 2)))
    if not console.is_terminal:
        console.print()  # where nothing is live, the last state stands without its end of line
    if last.get("finishReason") == "no_answer":
        console.print("  [yellow]nothing in the knowledge answers this: it says so[/yellow]")
    for source in last.get("sources", []):
        page = f", page {source['page']}" if source.get("page") else ""
        place = f"  {source['url']}" if source.get("url") else ""
        quote = " ".join(source["quote"].split())
        short = quote if len(quote) <= SHOWN_QUOTE else quote[:SHOWN_QUOTE] + "…"
        console.print(f"  [cyan]↳ {escape(source['title'])}{page}[/cyan][dim]{place}[/dim]")
        console.print(f"    [dim]“{escape(short)}”[/dim]")


# -- webhooks --------------------------------------------------------------------------------


async def _webhooks(integrator: Integrator) -> None:
    expected = 3 * len(QUESTIONS)  # a conversation, a question and an answer each
    end = time.monotonic() + WEBHOOK_TIMEOUT
    while len(integrator.arrived) < expected and time.monotonic() < end:
        await asyncio.sleep(0.1)
    for hook in integrator.arrived:
        mark = "[green]✓ signature[/green]" if hook.genuine else "[red]✗ signature[/red]"
        words = " ".join(hook.data.get("message", "").split())
        who = f"{hook.data['sender']}: {words}" if words else hook.data["conversationId"]
        console.print(
            f"  {mark}  {hook.event:<17} {escape(who)}", no_wrap=True, overflow="ellipsis"
        )
    genuine = sum(hook.genuine for hook in integrator.arrived)
    console.print(f"  {len(integrator.arrived)} webhooks, {genuine} with a valid signature")
    if len(integrator.arrived) < expected or genuine < len(integrator.arrived):
        raise DemoFailed(f"{expected} webhooks with valid signatures were expected.")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except DemoFailed as exc:
        console.print(f"[red]✗[/red] {escape(str(exc))}")
        sys.exit(1)
    except aiohttp.ClientConnectionError:
        console.print("[red]✗[/red] The stack does not answer; is `make run` still running?")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

"""What goes on while a cluster is rolled: conversations, requests, uploads, crawls, webhooks.

Everything that a client saw is kept, and compared with what the product has in the end.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.e2e.client import Answer, Api, Receiver
from tests.serving import serving

FACT = "The office is at 12 Harbour Street, by the old lighthouse, and is open on weekdays."
QUESTION = "Where is the office?"
TURNS = 3  # questions of a conversation
APART = 0.1  # seconds between two visitors' first questions
SLOWLY = 8.0  # seconds an upload takes on its way
_numbers = itertools.count(1)


def fresh_address() -> str:
    """An address nobody came from before, so that no limit is met."""
    number = next(_numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@dataclass
class Seen:
    """What the clients saw."""

    requests: int = 0
    answers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])  # of conversations
    uploads: list[str] = field(default_factory=list[str])
    crawls: list[str] = field(default_factory=list[str])
    failed: list[str] = field(default_factory=list[str])

    @property
    def answered(self) -> int:
        return sum(len(ids) for ids in self.answers.values())


class Load:
    def __init__(
        self, session: aiohttp.ClientSession, base: str, key: str, bot: str, site: str
    ) -> None:
        self._session = session
        self._base = base
        self._key = key
        self._site = site
        self.bot = bot
        self.seen = Seen()
        self._stopping = False
        self._running: list[asyncio.Task[None]] = []

    def api(self) -> Api:
        api = Api(self._session, self._base, self._key)
        api.address = fresh_address()
        return api

    def start(self, visitors: int, *, crawls: int = 2) -> None:
        works = [self._visitor(n) for n in range(visitors)]
        works += [self._crawler() for _ in range(crawls)]
        works += [self._reader(), self._uploader()]
        self._running = [asyncio.create_task(work) for work in works]

    async def stop(self) -> Seen:
        """Let everybody finish what they are at."""
        self._stopping = True
        for done in await asyncio.gather(*self._running, return_exceptions=True):
            if isinstance(done, BaseException):
                self.seen.failed.append(repr(done))
        return self.seen

    def _fail(self, what: str) -> None:
        self.seen.failed.append(what)

    async def _visitor(self, number: int) -> None:
        """Conversations of some turns, one after another; every answer must come whole."""
        await asyncio.sleep(number * APART)
        for talks in itertools.count():
            talk: dict[str, str] = {"visitorId": f"vis_{number}_{talks}"}
            for _ in range(TURNS):
                if self._stopping:
                    return
                answer = await self._ask(talk)
                if answer is None:
                    break
                talk["conversationId"] = answer.conversation
                self.seen.answers.setdefault(answer.conversation, []).append(
                    answer.last["messageId"]
                )

    async def _ask(self, talk: dict[str, str]) -> Answer | None:
        api = self.api()
        self.seen.requests += 1
        answer = Answer()
        try:
            async for line in api.lines(self.bot, QUESTION, answer, **talk):
                answer.feed(line)
        except (OSError, aiohttp.ClientError, TimeoutError) as exc:
            self._fail(f"question: {exc!r} after {len(answer.frames)} frames")
            return None
        if answer.status != 200 or not answer.done:
            self._fail(f"question: {answer.status} {answer.raw[-300:]!r}")
            return None
        if answer.last["finishReason"] != "complete" or "Harbour Street" not in answer.text:
            self._fail(f"answer: {answer.last} {answer.text!r}")
            return None
        return answer

    async def _reader(self) -> None:
        """Somebody with the dashboard open."""
        while not self._stopping:
            for path in ("/api/chatbots", f"/api/conversations?chatbotId={self.bot}", "/api/me"):
                await self._get(path)
            await asyncio.sleep(0.2)

    async def _get(self, path: str) -> None:
        self.seen.requests += 1
        try:
            reply = await self.api().get(path)
        except (OSError, aiohttp.ClientError, TimeoutError) as exc:
            self._fail(f"GET {path}: {exc!r}")
            return
        if reply.status != 200:
            self._fail(f"GET {path}: {reply.status} {reply.body}")

    async def _uploader(self) -> None:
        """A document over a slow line: the request is under way for seconds."""
        for number in itertools.count():
            if self._stopping:
                return
            await self._upload(f"note-{number}.md")

    async def _upload(self, name: str) -> None:
        async def slowly() -> AsyncGenerator[bytes]:
            for line in range(8):
                yield f"Line {line} of the note {name}: the deposit is {line} euros.\n\n".encode()
                await asyncio.sleep(SLOWLY / 8)

        with aiohttp.MultipartWriter("form-data") as form:
            form.append(self.bot).set_content_disposition("form-data", name="chatbotId")
            part = form.append(slowly())
            part.set_content_disposition("form-data", name="file", filename=name)
            self.seen.requests += 1
            try:
                reply = await self.api().post("/api/knowledge/upload", data=form)
            except (OSError, aiohttp.ClientError, TimeoutError) as exc:
                self._fail(f"upload: {exc!r}")
                return
        if reply.status != 202:
            self._fail(f"upload: {reply.status} {reply.body}")
            return
        self.seen.uploads += [item["id"] for item in reply.body["data"]]

    async def _crawler(self) -> None:
        while not self._stopping:
            self.seen.requests += 1
            reply = await self.api().post(
                "/api/knowledge/scrape", {"chatbotId": self.bot, "url": f"{self._site}/"}
            )
            if reply.status != 202:
                self._fail(f"crawl: {reply.status} {reply.body}")
                return
            self.seen.crawls.append(reply.body["id"])
            while not self._stopping and not await self.settled(reply.body["id"]):
                await asyncio.sleep(0.5)

    async def settled(self, item: str) -> bool:
        found = await self.api().get(f"/api/knowledge/{item}")
        return found.status == 200 and found.body["status"] in ("ready", "failed")


async def lost(load: Load, receiver: Receiver, pages: int) -> list[str]:
    """What was accepted and is not there in the end."""
    api = load.api()
    missing: list[str] = []
    for item in load.seen.crawls + load.seen.uploads:
        found = await api.settled(item, timeout=180)
        if found["status"] != "ready":
            missing.append(f"item: {found['status']} {found['error']}")
        elif item in load.seen.crawls and found["progress"]["indexed"] != pages:
            missing.append(f"crawl: {found['progress']}")
    expected: set[str] = set()
    for conversation, answers in load.seen.answers.items():
        stored = await api.get(f"/api/conversations/{conversation}/messages?limit=100")
        ids = {m["id"]: m for m in stored.body["data"]}
        missing += [f"answer {a}" for a in answers if a not in ids]
        expected |= set(ids)
    await _arrived(receiver, expected)
    missing += [f"event of {id}" for id in expected - told(receiver).keys()]
    return missing


async def _arrived(receiver: Receiver, expected: set[str], within: float = 60.0) -> None:
    try:
        async with asyncio.timeout(within):
            while expected - told(receiver).keys():
                await asyncio.sleep(0.2)
    except TimeoutError:
        pass


def told(receiver: Receiver) -> Counter[str]:
    """Messages that the integrator was told of, and how often."""
    return Counter(r.payload["data"]["messageId"] for r in receiver.of("new_message"))


class Site:
    """A site of some pages that link to each other."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, pages: int) -> AsyncGenerator["Site"]:
        site = cls(pages)
        app = web.Application()
        app.router.add_get("/", site._page)
        app.router.add_get("/{number}", site._page)
        async with serving(app) as site.url:
            yield site

    async def _page(self, request: web.Request) -> web.Response:
        number = request.match_info.get("number", "0")
        if not number.isdigit() or int(number) >= self.pages:
            return web.Response(status=404)
        links = "".join(f'<li><a href="/{n}">Lamp {n}</a></li>' for n in range(1, self.pages))
        text = f"Lamp number {number} has a warranty of {number} years and a cable of two metres."
        return web.Response(
            text=f"<html><head><title>Lamp {number}</title></head><body><main><h1>Lamp {number}</h1>"
            f"<p>{text} {text}</p></main><ul>{links}</ul></body></html>",
            content_type="text/html",
        )

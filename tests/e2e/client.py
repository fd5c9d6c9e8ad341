"""What an integrator's program would have: the API over HTTP, frames read as documented."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.serving import serving

_addresses = itertools.count(1)

PATIENCE = 45.0  # seconds for a page, or the platform, on a busy machine
READY_TIMEOUT = 60.0  # seconds for a small item to be indexed
EVENT_TIMEOUT = 60.0  # seconds for an event to arrive


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        return self.body["error"]["code"]


@dataclass
class Answer:
    """A streamed answer as read off the wire."""

    raw: bytes = b""
    frames: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    done: bool = False
    status: int = 0
    headers: Any = None

    @property
    def text(self) -> str:
        return "".join(frame["text"] for frame in self.frames)

    @property
    def last(self) -> dict[str, Any]:
        return self.frames[-1]

    @property
    def conversation(self) -> str:
        return self.frames[0]["conversationId"]

    def feed(self, line: bytes) -> None:
        self.raw += line
        if line.startswith(b"id: "):
            self.ids.append(line[4:].strip().decode())
        if line.startswith(b"data: "):
            data = line[6:].strip()
            if data == b"[DONE]":
                self.done = True
            else:
                self.frames.append(json.loads(data))


class Api:
    """Calls with one credential, from an address of its own (so that no test limits another)."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self.session = session
        self.base = base
        self.token = token
        number = next(_addresses)
        self.address = f"198.51.{number // 250}.{number % 250 + 1}"

    def headers(self, **more: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "X-Forwarded-For": self.address,
            **more,
        }

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> Reply:
        if body is not None:
            kwargs["json"] = body
        async with self.session.request(
            method, self.base + path, headers=self.headers(**(headers or {})), **kwargs
        ) as response:
            raw = await response.read()
            is_json = "json" in response.headers.get("content-type", "")
            return Reply(response.status, json.loads(raw) if is_json else raw, response.headers)

    async def get(self, path: str, **kwargs: Any) -> Reply:
        return await self.call("GET", path, **kwargs)

    async def post(self, path: str, body: Any = None, **kwargs: Any) -> Reply:
        return await self.call("POST", path, body, **kwargs)

    async def chatbot(self, name: str = "Support Bot") -> str:
        made = await self.post("/api/chatbots", {"name": name})
        assert made.status == 201, made.body
        return made.body["id"]

    async def knows(self, chatbot: str, question: str, answer: str) -> str:
        """Teach a chatbot one answer and wait until it is found."""
        made = await self.post(
            "/api/knowledge",
            {
                "chatbotId": chatbot,
                "type": "qa",
                "content": {"question": question, "answer": answer},
            },
        )
        assert made.status == 202, made.body
        item = await self.settled(made.body["id"])
        assert item["status"] == "ready", item
        return item["id"]

    async def upload(self, chatbot: str, *files: tuple[str, bytes]) -> Reply:
        form = aiohttp.FormData()
        form.add_field("chatbotId", chatbot)
        for name, content in files:
            form.add_field("file", content, filename=name)
        return await self.post("/api/knowledge/upload", data=form)

    async def settled(self, item: str, timeout: float = READY_TIMEOUT) -> dict[str, Any]:
        """The item once it is `ready` or `failed`."""
        end = time.monotonic() + timeout
        while True:
            found = await self.get(f"/api/knowledge/{item}")
            if found.status == 200 and found.body["status"] in ("ready", "failed"):
                return found.body
            assert time.monotonic() < end, found.body
            await asyncio.sleep(0.2)

    async def ask(self, chatbot: str, message: str, **more: Any) -> Answer:
        answer = Answer()
        async for line in self.lines(chatbot, message, answer, **more):
            answer.feed(line)
        return answer

    async def lines(
        self, chatbot: str, message: str, answer: Answer, **more: Any
    ) -> AsyncIterator[bytes]:
        body = {"message": message, **more}
        url = f"{self.base}/api/chat/{chatbot}"
        async with self.session.post(url, json=body, headers=self.headers()) as response:
            answer.status, answer.headers = response.status, response.headers
            async for line in response.content:
                yield line

    async def resume(self, chatbot: str, answer_id: str, after: int = 0) -> Answer:
        answer = Answer()
        url = f"{self.base}/api/chat/{chatbot}/answers/{answer_id}?after={after}"
        async with self.session.get(url, headers=self.headers()) as response:
            answer.status, answer.headers = response.status, response.headers
            async for line in response.content:
                answer.feed(line)
        return answer


@dataclass(frozen=True)
class Received:
    headers: Any
    body: bytes
    at: float

    @property
    def payload(self) -> dict[str, Any]:
        return json.loads(self.body)


class Receiver:
    """An integrator's endpoint. ``answer`` is the status it gives."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answer = 200
        self.delay = 0.0
        self.url = ""
        self._arrived = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Receiver"]:
        receiver = cls()
        app = web.Application()
        app.router.add_post("/hook", receiver._take)
        async with serving(app) as url:
            receiver.url = f"{url}/hook"
            yield receiver

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        await asyncio.sleep(self.delay)
        async with self._arrived:
            self.requests.append(Received(request.headers.copy(), body, time.time()))
            self._arrived.notify_all()
        return web.Response(status=self.answer)

    def of(self, event: str, conversation: str | None = None) -> list[Received]:
        return [
            r
            for r in self.requests
            if r.payload["event"] == event
            and (conversation is None or r.payload["data"]["conversationId"] == conversation)
        ]

    async def wait(
        self,
        count: int,
        event: str,
        conversation: str | None = None,
        timeout: float = EVENT_TIMEOUT,
    ) -> list[Received]:
        """The first ``count`` requests of an event, once they are there."""
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: len(self.of(event, conversation)) >= count)
        return self.of(event, conversation)


class PatientApi(Api):
    """Comes back when it is told to, as a client should, and with the same idempotency key."""

    async def call(self, method: str, path: str, body: Any = None, **how: Any) -> Reply:
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}
        how["headers"] = {**headers, **(how.get("headers") or {})}
        end = time.monotonic() + PATIENCE
        while True:
            reply = await super().call(method, path, body, **how)
            if reply.status not in (409, 503) or "Retry-After" not in reply.headers:
                return reply
            if time.monotonic() > end:
                return reply
            await asyncio.sleep(float(reply.headers["Retry-After"]))

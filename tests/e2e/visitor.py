"""A visitor's client that gives up on nothing: asks again under the same id, resumes what was cut."""

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

_addresses = itertools.count(1)

ANSWER_TIMEOUT = 200.0  # seconds from a question to the end of its answer, whatever dies meanwhile
CUT = (aiohttp.ClientError, OSError, TimeoutError)


@dataclass
class Told:
    """One question and what came back, frame by frame."""

    id: str  # the client's own
    text: str
    answer: str = ""
    conversation: str = ""
    frames: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    cuts: int = 0

    @property
    def last(self) -> dict[str, Any]:
        return self.frames[-1][1]

    @property
    def ended(self) -> bool:
        return bool(self.frames) and "finishReason" in self.last


@dataclass
class Visitor:
    http: aiohttp.ClientSession
    base: str
    key: str
    bot: str
    name: str
    told: list[Told] = field(default_factory=list)

    async def ask(self, text: str) -> Told:
        """Ask until it is answered to the end."""
        told = Told(f"{self.name}-{len(self.told)}", text)
        self.told.append(told)
        end = time.monotonic() + ANSWER_TIMEOUT
        while not told.ended:
            assert time.monotonic() < end, f"{told.id} never ended: {told}"
            try:
                async with asyncio.timeout(30):
                    await (self._resume(told) if told.answer else self._ask(told))
            except CUT:
                told.cuts += 1
            if not told.ended:
                await asyncio.sleep(0.1)
        return told

    async def _ask(self, told: Told) -> None:
        body = {"message": told.text, "visitorId": self.name, "clientMessageId": told.id}
        if len(self.told) > 1:
            body["conversationId"] = self.told[0].conversation
        url = f"{self.base}/api/chat/{self.bot}"
        async with self.http.post(url, json=body, headers=self._headers) as response:
            await self._read(response, told)

    async def _resume(self, told: Told) -> None:
        url = f"{self.base}/api/chat/{self.bot}/answers/{told.answer}?after={len(told.frames)}"
        async with self.http.get(url, headers=self._headers) as response:
            await self._read(response, told)

    @property
    def _headers(self) -> dict[str, str]:
        """From an address of its own each time: limits are not what is looked at."""
        n = next(_addresses)
        return {
            "Authorization": f"Bearer {self.key}",
            "X-Forwarded-For": f"203.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
        }

    async def _read(self, response: aiohttp.ClientResponse, told: Told) -> None:
        if response.status in (500, 502, 503, 504):
            return
        assert response.status == 200, (response.status, await response.text())
        told.answer = response.headers["x-answer-id"]
        number = 0
        async for line in response.content:
            if line.startswith(b"id: "):
                number = int(line.rpartition(b":")[2])
            elif line.startswith(b"data: {") and number:  # one without an id is the gateway's own
                frame = json.loads(line[6:])
                told.conversation = frame["conversationId"]
                told.frames.append((number, frame))
                number = 0

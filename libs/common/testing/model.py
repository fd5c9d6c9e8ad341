"""A model provider that speaks Anthropic's Messages API, streamed, from a script.

The one fake of the tests, at the true edge: what a provider sends, or fails to send, is data
here (https://docs.anthropic.com/en/api/messages-streaming). ``python -m libs.common.testing.model PORT DELAY``
serves the default script on a port with DELAY seconds a piece.
"""

import asyncio
import json
import re
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PIECE = re.compile(r"\S+\s*")


@dataclass(frozen=True)
class Script:
    """One reply. ``status`` other than 200 is an error; ``break_after`` cuts the connection."""

    text: str = ""
    delay: float = 0.0  # seconds before each piece
    tool: tuple[str, dict[str, Any]] | None = None  # called after the text
    status: int = 200
    error: str = "overloaded_error"
    retry_after: str | None = None
    break_after: int | None = None  # pieces, then the connection is cut
    error_after: int | None = None  # pieces, then an error event
    hang_after: int | None = None  # pieces, then silence
    input_tokens: int = 120


@dataclass
class Model:
    """Replies from ``scripts`` in turn, then the default for ever."""

    default: Script | None = None
    scripts: deque[Script] = field(default_factory=deque[Script])
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    delay: float = 0.0
    url: str = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, *, port: int = 0, delay: float = 0.0) -> AsyncGenerator["Model"]:
        model = cls(delay=delay)
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/v1/messages", model._answer)
        app.router.add_post("/delay", model._pace)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        model.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield model
        finally:
            await runner.cleanup()

    def say(self, *texts: str) -> None:
        self.scripts.extend(Script(text) for text in texts)

    @property
    def last(self) -> dict[str, Any]:
        return self.requests[-1]

    async def _pace(self, request: web.Request) -> web.Response:
        """Change the seconds before each piece, for those who run it as a process."""
        self.delay = float(await request.json())
        return web.Response()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        script = self.scripts.popleft() if self.scripts else self.default or _quoting(body)
        if script.status != 200:
            headers = {"retry-after": script.retry_after} if script.retry_after else None
            error = {"type": "error", "error": {"type": script.error, "message": "scripted"}}
            return web.json_response(error, status=script.status, headers=headers)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with suppress(ConnectionError):  # the caller has gone
            await self._play(request, response, script)
        return response

    async def _play(
        self, request: web.Request, response: web.StreamResponse, script: Script
    ) -> None:
        body = self.requests[-1]
        usage = {"input_tokens": script.input_tokens, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        await _send(response, "message_start", message=message)
        index = 0
        pieces = PIECE.findall(script.text)
        if pieces or script.tool is None:
            block = {"type": "text", "text": ""}
            await _send(response, "content_block_start", index=0, content_block=block)
            for number, piece in enumerate(pieces):
                if number == script.break_after:
                    assert request.transport is not None
                    request.transport.abort()
                    return
                if number == script.error_after:
                    error = {"type": "overloaded_error", "message": "scripted"}
                    await _send(response, "error", error=error)
                    return
                if number == script.hang_after:
                    await asyncio.sleep(3600)
                await asyncio.sleep(script.delay or self.delay)
                delta = {"type": "text_delta", "text": piece}
                await _send(response, "content_block_delta", index=0, delta=delta)
            await _send(response, "content_block_stop", index=0)
            index = 1
        if script.tool is not None:
            name, arguments = script.tool
            block = {"type": "tool_use", "id": f"toolu_{len(self.requests)}", "name": name}
            await _send(
                response, "content_block_start", index=index, content_block={**block, "input": {}}
            )
            delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
            await _send(response, "content_block_delta", index=index, delta=delta)
            await _send(response, "content_block_stop", index=index)
        await _send(
            response,
            "message_delta",
            delta={"stop_reason": "tool_use" if script.tool else "end_turn", "stop_sequence": None},
            usage={"output_tokens": len(pieces)},
        )
        await _send(response, "message_stop")


async def _send(response: web.StreamResponse, event: str, **data: Any) -> None:
    text = json.dumps({"type": event, **data})
    await response.write(f"event: {event}\ndata: {text}\n\n".encode())


def _quoting(body: dict[str, Any]) -> Script:
    """What a well-behaved model says: the first passage's words, cited."""
    content = body["messages"][-1]["content"]
    if not isinstance(content, str):
        content = "".join(block.get("text") or json.dumps(block) for block in content)
    passage = re.search(r'<passage number="1"[^>]*>\n(.*?)\n</passage>', content, re.DOTALL)
    if passage is None:
        return Script("I could not find that.")
    words = re.sub(r"^Q: .*\nA: ", "", passage.group(1)).strip().rstrip(".")
    return Script(f"{words} [1].")


async def _serve(port: int, delay: float) -> None:
    async with Model.open(port=port, delay=delay):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))

"""Conversations as they happen: ``GET /api/conversations/{id}/events`` and the inbox."""

import time
from collections.abc import AsyncIterator
from typing import Literal

import msgspec
from aiohttp import web

from libs.common.calls import LIVE_EVENTS, ListLiveEvents
from libs.common.calls.shapes import Request
from libs.common.envelope import Endpoint
from libs.common.errors import AppError, BadRequest
from libs.common.frames import PING
from libs.common.live import Live
from services.gateway.call import Call
from services.gateway.gateway import Gateway
from services.gateway.streams import PING_EVERY, Stream

LONGEST = 3_600.0  # seconds; then the client connects again, with its credentials


class _Event(msgspec.Struct, rename="camel"):
    """A `LiveEvent` whose data is passed on unread."""

    event: Literal["message", "status", "typing", "knowledge"]
    data: msgspec.Raw
    seq: int = 0  # knowledge and typing have none: who misses them asks for what is
    conversation_id: str = ""
    internal: bool = False


class _Events(msgspec.Struct, rename="camel"):
    data: list[_Event]
    latest: int
    reset: bool = False


class WatchInbox(Request, frozen=True, kw_only=True):
    """``after`` is the id of the last event that was seen; from now on without it."""

    after: int | None = None


class WatchConversation(Request, frozen=True, kw_only=True):
    id: str
    after: int | None = None


_decode = msgspec.json.Decoder(_Event).decode


async def conversation(
    gateway: Gateway, call: Call, request: WatchConversation
) -> web.StreamResponse:
    return await _watch(gateway, call, request.id, _after(call, request.after))


async def inbox(gateway: Gateway, call: Call, request: WatchInbox) -> web.StreamResponse:
    return await _watch(gateway, call, None, _after(call, request.after))


async def _watch(
    gateway: Gateway, call: Call, conversation_id: str | None, after: int | None
) -> web.StreamResponse:
    subject = f"live.{call.principal.account}.{_token(conversation_id)}"
    watcher = _Watcher(gateway, call, conversation_id, after)
    async with gateway.streams.slot(call, "events"), gateway.bus.live(subject) as feed:
        missed = await watcher.catch_up()  # also refuses what is not theirs to see
        stream = await Stream.open(call)
        await stream.write(b"retry: 2000\n\n" + b"".join(missed))
        async for part in watcher.follow(feed):
            await stream.write(part)
        return await stream.close()


def _token(conversation_id: str | None) -> str:
    """A subject's last token; an id that could be a wildcard is nobody's."""
    if conversation_id is None:
        return "*"
    return conversation_id if conversation_id.replace("_", "").isalnum() else "-"


class _Watcher:
    def __init__(
        self, gateway: Gateway, call: Call, conversation_id: str | None, after: int | None
    ) -> None:
        self._bus = gateway.bus
        self._call = call
        self._conversation = conversation_id
        self._after = after
        self._recent: set[int] = set()  # numbers passed on out of their order
        self._draining = gateway.streams.draining

    async def catch_up(self) -> list[bytes]:
        """What was missed since the last event seen."""
        parts: list[bytes] = []
        while True:
            request = ListLiveEvents(id=self._conversation, after=self._after, limit=200)
            raw = await self._bus.request(_LIVE_EVENTS, request, self._call.context())
            found = msgspec.json.decode(raw, type=_Events)
            if found.reset:
                parts.append(b"event: reset\nid: %d\ndata: {}\n\n" % found.latest)
                self._after = found.latest
                return parts
            parts += [part for event in found.data if (part := self._part(event))]
            if self._after is None or not found.data:
                self._after = max(self._after or 0, found.latest)
                return parts

    async def follow(self, feed: Live) -> AsyncIterator[bytes]:
        end = time.monotonic() + LONGEST
        reconnects = self._bus.client.stats["reconnects"]
        while time.monotonic() < end and not self._draining.is_set():
            try:
                message = await feed.next(PING_EVERY)
                if self._bus.client.stats["reconnects"] != reconnects:
                    reconnects = self._bus.client.stats["reconnects"]
                    for part in await self.catch_up():
                        yield part
            except AppError:
                return  # the client resumes from the last id it has
            if message is None:
                yield PING
            elif part := self._part(_decode(message.data)):
                yield part

    def _part(self, event: _Event) -> bytes | None:
        if event.internal and self._call.principal.is_visitor:
            return None
        if event.seq == 0:
            return b"event: %b\ndata: %b\n\n" % (event.event.encode(), bytes(event.data))
        if event.seq in self._recent:
            return None
        self._recent.add(event.seq)
        if len(self._recent) > 2_000:
            self._recent = set(sorted(self._recent)[-1_000:])
        self._after = max(self._after or 0, event.seq)
        return b"event: %b\nid: %d\ndata: %b\n\n" % (
            event.event.encode(),
            event.seq,
            bytes(event.data),
        )


_LIVE_EVENTS = Endpoint(LIVE_EVENTS.subject, ListLiveEvents, msgspec.Raw)


def _after(call: Call, given: int | None) -> int | None:
    text = call.request.headers.get("Last-Event-ID", "")
    if given is None and text:
        if not text.isdecimal() or len(text) > 18:
            raise BadRequest("Last-Event-ID is a number.", details={"field": "Last-Event-ID"})
        return int(text)
    return given

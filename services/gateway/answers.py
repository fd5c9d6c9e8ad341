"""A streamed answer: asked for, followed frame by frame, followed again from anywhere.

Frames come live from ``answers.<answer id>``. What was sent before, or while the bus was away,
is read from the stream that records them, and of a finished answer from the chat service: a
client sees each frame once, in order, whatever was lost on the way.
"""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web
from nats.aio.msg import Msg

from libs.common import streams
from libs.common.bus import Bus, Live
from libs.common.calls import (
    ANSWER_GET,
    ANSWER_STOP,
    MESSAGE_CREATE,
    Ask,
    GetAnswer,
    StopAnswer,
)
from libs.common.calls.conversations import FinishReason, Source
from libs.common.calls.shapes import Reply
from libs.common.envelope import Context
from libs.common.errors import AppError, BadRequest, NotFound
from libs.common.frames import DONE, PING, Frame, last_data
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.call import Call
from services.gateway.errors import NotYourToken
from services.gateway.gateway import Gateway
from services.gateway.secrets import fingerprint
from services.gateway.streams import PING_EVERY, Stream

LONGEST = 300.0  # seconds an answer may take in all
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")  # an id that is a token of a subject
BATCH = 64  # frames written at once when they are there at once


class AnswerGone(NotFound):
    """The conversation was deleted while it was answered."""


class WholeAnswer(Reply, frozen=True, kw_only=True):
    """An answer as one document, for ``Accept: application/json``."""

    conversation_id: str
    message_id: str | None
    answer_id: str
    visitor_id: str
    text: str
    finish_reason: FinishReason
    sources: list[Source]
    error: dict[str, str] | None = None


class Stopping(Reply, frozen=True, kw_only=True):
    answer_id: str


class _Data(msgspec.Struct, rename="camel"):
    """The data of a frame, as far as it is looked into."""

    text: str = ""
    conversation_id: str = ""
    message_id: str | None = None
    finish_reason: FinishReason = "complete"
    sources: list[Source] = []
    error: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_Data).decode


class Follower:
    """Reads one answer's frames after ``after``, each once and in order."""

    def __init__(self, bus: Bus, context: Context, chatbot: str, answer: str, after: int) -> None:
        self._bus = bus
        self._context = context
        self._chatbot = chatbot
        self._answer = answer
        self._after = self._last = after
        self._end = time.monotonic() + LONGEST
        self.conversation = ""
        self.finished = False

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Live]:
        async with self._bus.live(f"answers.{self._answer}", flush=False) as feed:
            yield feed

    async def frames(self, feed: Live, *, fresh: bool) -> AsyncIterator[list[Frame]]:
        """Batches of frames; an empty one when it was quiet for a while. Ends after the last.

        Raises `DeadlineExceeded`'s kin only for an answer that can't be found at the start.
        """
        if not fresh:
            yield await self._catch_up()
        while not self.finished and time.monotonic() < self._end:
            message = await feed.next(PING_EVERY)
            if message is None:
                yield await self._catch_up_quietly()
                continue
            yield await self._take(message, feed)

    async def _take(self, message: Msg | None, feed: Live) -> list[Frame]:
        batch: list[Frame] = []
        while message is not None:
            frame = Frame.from_bus(message.data)
            if frame.n > self._last + 1:  # some were lost while the bus was away
                batch += await self._catch_up_quietly()
            if frame.n == self._last + 1:  # else it was seen, or waits until the gap is closed
                self._seen(frame)
                batch.append(frame)
            message = feed.ready() if len(batch) < BATCH else None
        return batch

    def _seen(self, frame: Frame) -> None:
        self._last = frame.n
        self.finished = self.finished or frame.last

    async def _catch_up_quietly(self) -> list[Frame]:
        try:
            return await self._catch_up()
        except AppError as exc:
            if exc.wire_status == NotFound.status:
                raise AnswerGone from exc
            log.info("answer_not_caught_up", answer=self._answer, reason=exc.message)
            return []

    async def _catch_up(self) -> list[Frame]:
        """The frames after the last one seen, without a gap, from wherever they rest."""
        state = await self._bus.request(
            ANSWER_GET,
            GetAnswer(chatbot_id=self._chatbot, answer_id=self._answer),
            self._context,
        )
        self.conversation = state.conversation_id
        end = 0 if state.running else len(state.frames)
        known = {
            n: Frame(n, data.encode(), last=n == end)
            for n, data in enumerate(state.frames, start=1)
        }
        if state.running:
            for message in await self._bus.replay(streams.ANSWERS, f"answers.{self._answer}"):
                frame = Frame.from_bus(message.data)
                known.setdefault(frame.n, frame)
        elif self._last == end == self._after:
            self.finished = True  # they have it all
        elif self._last >= end:
            # Whoever wrote it died with frames that nobody kept: the end is what they lack.
            known = {self._last + 1: Frame(self._last + 1, known[end].data, last=True)}
        fresh: list[Frame] = []
        while frame := known.get(self._last + 1):
            self._seen(frame)
            fresh.append(frame)
        return fresh


async def ask(gateway: Gateway, call: Call, request: Ask) -> web.StreamResponse:
    """``POST /api/chat/{chatbotId}``"""
    if call.resumed:  # an Idempotency-Key that was used before
        return await _follow(gateway, call, request.chatbot_id, call.resumed, after=0)
    answer = new_id("ans")
    request = _as_visitor(call, msgspec.structs.replace(request, answer_id=answer))
    request = _once(call, request)
    async with gateway.streams.slot(call, "answer"):
        follower = Follower(gateway.bus, call.context(), request.chatbot_id, answer, 0)
        async with follower.listening() as feed:
            asked = await gateway.bus.request(MESSAGE_CREATE, request, call.context())
            if call.started is not None:
                await call.started(asked.answer_id)
            call.headers["X-Conversation-Id"] = asked.conversation_id
            call.headers["X-Answer-Id"] = asked.answer_id
            if asked.answer_id == answer:
                follower.conversation = asked.conversation_id
                return await _send(call, follower, feed, answer, asked.visitor_id, fresh=True)
    return await _follow(
        gateway, call, request.chatbot_id, asked.answer_id, after=0, visitor=asked.visitor_id
    )


async def resume(gateway: Gateway, call: Call, request: GetAnswer) -> web.StreamResponse:
    """``GET /api/chat/{chatbotId}/answers/{answerId}``"""
    _own_chatbot(call, request.chatbot_id)
    if not _SUBJECT.fullmatch(request.answer_id):
        raise NotFound
    after = request.after
    if after is None:
        after = last_event_id(call, request.answer_id)
    return await _follow(gateway, call, request.chatbot_id, request.answer_id, after)


async def stop(gateway: Gateway, call: Call, request: StopAnswer) -> Stopping:
    """``POST …/answers/{answerId}/stop``"""
    _own_chatbot(call, request.chatbot_id)
    await gateway.bus.request(ANSWER_STOP, request, call.context())
    return Stopping(answer_id=request.answer_id)


async def _follow(
    gateway: Gateway, call: Call, chatbot: str, answer: str, after: int, visitor: str = ""
) -> web.StreamResponse:
    async with gateway.streams.slot(call, "answer"):
        follower = Follower(gateway.bus, call.context(), chatbot, answer, after)
        async with follower.listening() as feed:
            return await _send(call, follower, feed, answer, visitor, fresh=False)


async def _send(
    call: Call, follower: Follower, feed: Live, answer: str, visitor: str, *, fresh: bool
) -> web.StreamResponse:
    batches = follower.frames(feed, fresh=fresh)
    first = [] if fresh else await anext(batches)  # an unknown answer is refused before it starts
    call.headers["X-Answer-Id"] = answer
    call.headers["X-Conversation-Id"] = follower.conversation
    if call.accepts_json_only:
        return await _collect(call, follower, batches, first, answer, visitor)
    stream = await Stream.open(call)
    if first:
        await stream.write(b"".join(frame.as_sse(answer) for frame in first))
    try:
        async for batch in batches:
            await stream.write(b"".join(f.as_sse(answer) for f in batch) if batch else PING)
    except AppError as exc:  # the reader was too slow, or the bus stayed away
        await stream.write(_broken(follower.conversation, answer, exc))
    else:
        if not follower.finished:
            await stream.write(_broken(follower.conversation, answer, _too_long()))
    await stream.write(DONE)
    return await stream.close()


async def _collect(
    call: Call,
    follower: Follower,
    batches: AsyncIterator[list[Frame]],
    first: list[Frame],
    answer: str,
    visitor: str,
) -> web.Response:
    frames = list(first)
    async for batch in batches:
        frames += batch
    if not follower.finished:
        raise _too_long()
    parts = [_decode(frame.data) for frame in frames]
    last = parts[-1] if parts else _Data()
    whole = WholeAnswer(
        conversation_id=follower.conversation or last.conversation_id,
        message_id=last.message_id,
        answer_id=answer,
        visitor_id=visitor or call.principal.actor.id,
        text="".join(part.text for part in parts),
        finish_reason=last.finish_reason,
        sources=last.sources,
        error=last.error,
    )
    return call.reply(whole)


def _broken(conversation: str, answer: str, error: AppError) -> bytes:
    """A last frame of our own: the answer itself may go on, and can be resumed."""
    rest: dict[str, object] = {
        "messageId": None,
        "answerId": answer,
        "finishReason": "error",
        "sources": [],
        "error": {"code": error.wire_code, "message": error.message},
    }
    return b"data: %b\n\n" % last_data(conversation, rest)


def _too_long() -> AppError:
    return AppError("The answer took too long; resume it or ask again.", code="answer_timeout")


def _as_visitor(call: Call, request: Ask) -> Ask:
    """A token speaks for its own visitor; a key for whom it names."""
    if not call.principal.is_visitor:
        return request
    _own_chatbot(call, request.chatbot_id)
    actor = call.principal.actor
    if request.visitor_id not in (None, actor.id):
        raise NotYourToken
    return msgspec.structs.replace(request, visitor_id=actor.id)


def _once(call: Call, request: Ask) -> Ask:
    """An Idempotency-Key is also the message's own: should the record of it be lost (with Redis,
    or since the client left before it was kept), a repeat still finds the first answer.
    """
    key = call.request.headers.get("Idempotency-Key")
    if key is None or request.client_message_id is not None:
        return request
    mark = fingerprint(call.principal.actor.id, key)
    return msgspec.structs.replace(request, client_message_id=f"key:{mark}"[:128])


def _own_chatbot(call: Call, chatbot: str) -> None:
    if call.principal.is_visitor and call.principal.actor.chatbot != chatbot:
        raise NotFound


def last_event_id(call: Call, answer: str) -> int:
    """The frame number in ``Last-Event-ID: <answerId>:<n>``; 0 without the header."""
    text = call.request.headers.get("Last-Event-ID", "")
    if not text:
        return 0
    name, colon, number = text.rpartition(":")
    if not number.isdecimal() or len(number) > 9 or (colon and name != answer):
        raise BadRequest(
            "Last-Event-ID is not one of this answer's ids.", details={"field": "Last-Event-ID"}
        )
    return int(number)

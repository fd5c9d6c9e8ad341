"""The model's event stream, read from bytes.

The SDK builds a checked object of each event, which costs more than all the rest of an answer;
here an event is what we use of it (https://docs.anthropic.com/en/api/messages-streaming).
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Any

import msgspec

from services.chat.answerers.port import AnswerFailed

LONGEST_EVENT = 1 << 20  # bytes


class Usage(msgspec.Struct):
    """Tokens; a provider may leave out any."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class Message(msgspec.Struct):
    usage: Usage = msgspec.field(default_factory=Usage)


class Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class Problem(msgspec.Struct):
    type: str = ""


class Event(msgspec.Struct):
    """One event; of its fields only those of its ``type`` are there."""

    type: str
    message: Message = msgspec.field(default_factory=Message)
    content_block: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    delta: Delta = msgspec.field(default_factory=Delta)
    usage: Usage = msgspec.field(default_factory=Usage)
    error: Problem = msgspec.field(default_factory=Problem)


_decode = msgspec.json.Decoder(Event).decode


async def batches(chunks: AsyncIterable[bytes]) -> AsyncIterator[list[Event]]:
    """The events of a response, those that came together at once.

    Raises `AnswerFailed` for one that is none, or tells of an error, after those before it.
    """
    reader = Reader()
    async for chunk in chunks:
        batch: list[Event] = []
        try:
            for data in reader.feed(chunk):
                batch.append(_event(data))  # noqa: PERF401 - those before a bad one are kept
        except AnswerFailed:
            yield batch
            raise
        yield batch


def _event(data: bytes) -> Event:
    try:
        event = _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise AnswerFailed("model_broke_off", "The model's answer could not be read.") from exc
    if event.type == "error":
        raise _failure(event.error.type)
    return event


def _failure(kind: str) -> AnswerFailed:
    if kind in ("overloaded_error", "rate_limit_error"):
        return AnswerFailed("model_busy", "The model is overloaded at the moment.")
    return AnswerFailed("model_broke_off", "The model's answer broke off.")


class Reader:
    """Server-sent events out of bytes that are cut anywhere; only their data is looked at."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that is whole by now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_EVENT:
            raise AnswerFailed("model_broke_off", "The model's answer could not be read.")
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                yield data

"""The model's event stream, however it is cut, and whatever it says."""

import json
from collections.abc import AsyncIterator

import pytest

from services.chat.answerers.port import AnswerFailed
from services.chat.answerers.sse import LONGEST_EVENT, Event, Reader, batches

STREAM = (
    b": comment\r\n\r\nevent: message_start\r\n"
    b'data: {"type": "message_start", "message": {"usage": {"input_tokens": 7}, "model": "x"}}\r\n\r\n'
    b'event: content_block_delta\ndata:{"type": "content_block_delta",\n'
    b'data: "delta": {"type": "text_delta", "text": "\xc3\xa9t\xc3\xa9"}}\n\n'
    b'event: of_tomorrow\ndata: {"type": "of_tomorrow", "x": [1]}\n\n'
)


async def _each(chunks: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _read(*chunks: bytes) -> list[Event]:
    return [event async for batch in batches(_each(chunks)) for event in batch]


async def test_events_are_whole_wherever_the_bytes_are_cut() -> None:
    for size in (1, 2, 3, 7, 50, len(STREAM)):
        chunks = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
        start, delta, unknown = await _read(*chunks)
        assert (start.type, start.message.usage.input_tokens) == ("message_start", 7)
        assert delta.delta.text == "été"
        assert unknown.type == "of_tomorrow"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (json.dumps({"type": "error", "error": {"type": "overloaded_error"}}), "model_busy"),
        (json.dumps({"type": "error", "error": {"type": "rate_limit_error"}}), "model_busy"),
        (json.dumps({"type": "error", "error": {"type": "api_error"}}), "model_broke_off"),
        ("<html>Bad gateway</html>", "model_broke_off"),
        ('{"type": "content_block_delta", "delta": {"text": 5}}', "model_broke_off"),
        ("[]", "model_broke_off"),
    ],
)
async def test_an_error_and_what_is_no_event_end_the_answer(data: str, code: str) -> None:
    with pytest.raises(AnswerFailed) as failure:
        await _read(b"data: %b\n\n" % data.encode())
    assert failure.value.code == code


async def test_what_came_before_an_error_in_one_piece_is_not_lost() -> None:
    read = batches(_each((STREAM + b'data: {"type": "error"}\n\n',)))
    assert [event.type for event in await anext(read)][1] == "content_block_delta"
    with pytest.raises(AnswerFailed):
        await anext(read)


def test_an_event_without_end_is_not_kept() -> None:
    reader = Reader()
    with pytest.raises(AnswerFailed):
        for _ in range(3):
            list(reader.feed(b"x" * LONGEST_EVENT))

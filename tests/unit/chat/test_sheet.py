"""When words are shown: at once, and then no more for as long as the pace says."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from libs.common.calls import Personality
from libs.common.frames import Frame
from services.chat.sheet import Sheet
from services.chat.writing import Scene, Writer
from tests.shapes import a_chatbot


class Bus:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    async def publish(self, _: str, data: bytes) -> None:
        self.frames.append(Frame.from_bus(data))


def _sheet(bus: Bus, pace: float) -> Sheet:
    return Sheet(cast("Any", bus), "ans_1", "conv_1", pace=lambda: pace)


async def test_words_are_shown_as_they_are_written() -> None:
    bus = Bus()
    sheet = _sheet(bus, 1000.0)
    for word in ("One ", "", "two."):
        await sheet.write(word)
    assert [(frame.n, frame.data) for frame in bus.frames] == [
        (1, b'{"text": "One ", "conversationId": "conv_1"}'),
        (2, b'{"text": "two.", "conversationId": "conv_1"}'),
    ]
    assert sheet.text == "One two."


async def test_whoever_writes_rests_as_the_pace_says() -> None:
    sheet = _sheet(Bus(), 1000.0)
    resting = asyncio.create_task(sheet.rest())
    await asyncio.sleep(0.02)
    assert not resting.done()
    resting.cancel()


async def test_after_the_last_words_nobody_rests() -> None:
    sheet = _sheet(Bus(), 1000.0)
    talk = cast("Any", _open())
    bot = a_chatbot("bot_1", personality=Personality(greeting="Good day."))
    nobody = cast("Any", None)
    writer = Writer(nobody, nobody, nobody, nobody)  # a greeting needs none of them
    async with asyncio.timeout(5):
        await writer.write(nobody, sheet, Scene("acc_1", "en", bot, talk, "Hello", []))
    assert sheet.text == "Good day."


def _open() -> SimpleNamespace:
    """An open conversation."""
    return SimpleNamespace(public=SimpleNamespace(status="open"), floor_misses=0)

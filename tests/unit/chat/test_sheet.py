"""When words are shown: the first at once, the rest as the pace allows, none twice or never."""

import asyncio
from typing import Any, cast

from libs.common.frames import Frame
from services.chat.sheet import Sheet


class Bus:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    async def publish(self, _: str, data: bytes) -> None:
        self.frames.append(Frame.from_bus(data))


def _sheet(bus: Bus, pace: float) -> Sheet:
    return Sheet(cast("Any", bus), "ans_1", "conv_1", pace=lambda: pace)


async def test_words_written_faster_than_the_pace_come_together() -> None:
    bus = Bus()
    sheet = _sheet(bus, 1000.0)
    for word in ("One ", "two ", "three."):
        await sheet.write(word)
    assert [frame.n for frame in bus.frames] == [1]
    await sheet.flush()
    await sheet.flush()
    assert [frame.data for frame in bus.frames] == [
        b'{"text": "One ", "conversationId": "conv_1"}',
        b'{"text": "two three.", "conversationId": "conv_1"}',
    ]
    assert sheet.text == "One two three."


async def test_words_that_wait_are_shown_though_nothing_follows() -> None:
    bus = Bus()
    sheet = _sheet(bus, 0.01)
    await sheet.write("One ")
    await sheet.write("two.")
    async with asyncio.timeout(30):
        while len(bus.frames) < 2:
            await asyncio.sleep(0.005)
    assert bus.frames[1].n == 2


async def test_a_sheet_that_is_closed_shows_nothing_more_by_itself() -> None:
    bus = Bus()
    sheet = _sheet(bus, 0.05)
    await sheet.write("One ")
    await sheet.write("two.")
    sheet.close()
    await asyncio.sleep(0.15)
    assert len(bus.frames) == 1

"""When words are shown: at once, and then no more for as long as the pace says."""

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
    return Sheet(cast("Any", bus), "ans_1", "conv_1", pace=lambda _: pace)


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
    resting = asyncio.create_task(sheet.rest(slow=False))
    await asyncio.sleep(0.02)
    assert not resting.done()
    resting.cancel()


async def test_the_pace_is_told_whether_it_comes_slowly() -> None:
    told: list[bool] = []
    sheet = Sheet(cast("Any", Bus()), "ans_1", "conv_1", pace=lambda slow: told.append(slow) or 0.0)
    await sheet.rest(slow=True)
    await sheet.rest(slow=False)
    assert told == [True, False]

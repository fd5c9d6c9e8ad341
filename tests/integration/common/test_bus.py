"""Requests and replies over a real server: bounded, on time, and close-mouthed about the inside."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.common.bus import QUEUE_FACTOR, Bus
from libs.common.calls.shapes import Reply, Request
from libs.common.config import CommonSettings
from libs.common.envelope import Context, Endpoint
from libs.common.errors import AppError, DeadlineExceeded, NotFound, Unavailable
from tests.conftest import Servers


class Say(Request, frozen=True, kw_only=True):
    word: str


class Said(Reply, frozen=True, kw_only=True):
    word: str


SAY = Endpoint("test.words.say", Say, Said)


@pytest.fixture
async def bus(servers: Servers) -> AsyncIterator[Bus]:
    settings = CommonSettings.model_validate({"NATS_URL": servers.nats_url})
    async with Bus.open(settings, "test") as bus:
        yield bus


async def test_requests_are_answered_side_by_side_and_no_more_than_allowed(bus: Bus) -> None:
    running = most = 0

    async def say(_: Context, request: Say) -> Said:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return Said(word=request.word)

    await bus.serve(SAY, say, concurrency=3)
    said = await asyncio.gather(
        *(bus.request(SAY, Say(word=f"{n}"), Context.system(), timeout=20) for n in range(9))
    )

    assert [s.word for s in said] == [f"{n}" for n in range(9)]
    assert most == 3


async def test_a_burst_beyond_the_bound_is_refused_at_once(bus: Bus) -> None:
    go = asyncio.Event()

    async def say(_: Context, request: Say) -> Said:
        await go.wait()
        return Said(word=request.word)

    await bus.serve(SAY, say, concurrency=2)
    asked = [
        asyncio.create_task(bus.request(SAY, Say(word="x"), Context.system(), timeout=30))
        for _ in range(2 * QUEUE_FACTOR + 5)
    ]
    first = asyncio.as_completed(asked, timeout=20)
    for _ in range(5):
        with pytest.raises(AppError) as caught:
            await next(first)
        assert caught.value.wire_code == "unavailable"
    go.set()
    rest = await asyncio.gather(*asked, return_exceptions=True)

    assert sum(isinstance(one, Said) for one in rest) == 2 * QUEUE_FACTOR


async def test_what_breaks_inside_is_not_told_to_the_caller(bus: Bus) -> None:
    async def say(_: Context, __: Say) -> Said:
        raise RuntimeError("the password is hunter2")

    await bus.serve(SAY, say)
    with pytest.raises(AppError) as caught:
        await bus.request(SAY, Say(word="x"), Context.system(), timeout=10)

    assert caught.value.wire_code == "internal"
    assert "hunter2" not in f"{caught.value!r} {caught.value.message} {caught.value.details}"


async def test_a_caller_waits_no_longer_than_its_deadline(bus: Bus) -> None:
    async def say(_: Context, request: Say) -> Said:
        await asyncio.sleep(30)
        return Said(word=request.word)

    await bus.serve(SAY, say)
    with pytest.raises(DeadlineExceeded):
        await bus.request(SAY, Say(word="x"), Context.system(), timeout=0.3)


async def test_nobody_there_is_said_after_a_moment(bus: Bus) -> None:
    with pytest.raises(Unavailable) as caught:
        await bus.request(SAY, Say(word="x"), Context.system(), timeout=10)
    assert caught.value.details == {"service": "test"}


COUNT = Endpoint("test.words.count", Say, Said)


async def count(_: Context, request: Say) -> AsyncIterator[Said]:
    for letter in request.word:
        if letter == "!":
            raise NotFound("There is no more.")
        yield Said(word=letter)


async def test_an_answer_in_parts_comes_in_order_and_may_break_in_the_middle(bus: Bus) -> None:
    await bus.serve_stream(COUNT, count)

    parts = bus.stream(COUNT, Say(word="abc"), Context.system())
    assert [part.word async for part in parts] == ["a", "b", "c"]

    came: list[str] = []
    with pytest.raises(AppError) as caught:
        async for part in bus.stream(COUNT, Say(word="ab!c"), Context.system()):
            came += [part.word]
    assert came == ["a", "b"]
    assert caught.value.wire_code == "not_found"


async def test_a_service_that_is_just_being_restarted_is_waited_for(bus: Bus) -> None:
    async def say(_: Context, request: Say) -> Said:
        return Said(word=request.word)

    async def parts() -> list[str]:
        return [p.word async for p in bus.stream(COUNT, Say(word="ab"), Context.system())]

    asked = asyncio.gather(bus.request(SAY, Say(word="x"), Context.system()), parts())
    await asyncio.sleep(0.3)
    await bus.serve(SAY, say)
    await bus.serve_stream(COUNT, count)

    assert await asked == [Said(word="x"), ["a", "b"]]

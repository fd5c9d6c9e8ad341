"""Consumers on a real stream: nothing is lost, nothing blocks, poison ends where a person finds it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import nats.js.errors
import pytest
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from libs.common import consumers, streams
from libs.common.app import end
from libs.common.bus import Bus
from libs.common.consumers import Consumer, consume, consume_batches

PATIENCE = 30.0  # seconds for anything to come about

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def stream(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stream of the test's own; repeats come quickly."""
    monkeypatch.setitem(streams.STREAMS, name, StreamConfig(name=name, subjects=[f"{name}.>"]))
    monkeypatch.setattr(consumers, "RETRY_BASE", 0.05)
    return name


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    tasks: list[asyncio.Task[None]] = []
    yield lambda work: tasks.append(asyncio.create_task(work))
    await end(tasks, within=20)


async def say(bus: Bus, stream: str, *words: str) -> None:
    await streams.ensure(bus.js, stream)
    for word in words:
        await bus.js.publish(f"{stream}.said", word.encode())


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


async def left(bus: Bus, stream: str) -> int:
    """Messages that the durable consumer has yet to see acknowledged."""
    info = await bus.js.consumer_info(stream, "reader")
    return info.num_pending + info.num_ack_pending


async def test_a_failed_message_comes_again_and_holds_up_no_other(
    server: Bus, stream: str, run: Run
) -> None:
    tries: list[str] = []

    async def handle(message: Msg) -> None:
        tries.append(message.data.decode())
        if message.data == b"bad" and tries.count("bad") < 3:
            raise ValueError("not today")

    await say(server, stream, "bad", "good", "better")
    run(consume(server, Consumer(stream, "reader"), handle))
    await until(lambda: tries.count("bad") == 3)

    assert sorted(tries) == ["bad", "bad", "bad", "better", "good"]
    assert tries[-1] == "bad"


async def test_poison_ends_among_the_dead_with_its_reason(
    server: Bus, stream: str, run: Run
) -> None:
    async def handle(_: Msg) -> None:
        raise ValueError("never")

    await say(server, stream, "poison")
    run(consume(server, Consumer(stream, f"{stream}-reader", max_tries=2), handle))

    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                found = await server.js.get_last_msg(streams.DEAD, f"dead.{stream}-reader.>")
                break
            except nats.js.errors.NotFoundError:
                await asyncio.sleep(0.05)
    assert found.data == b"poison"
    assert (found.headers or {})["Chattery-Reason"] == "ValueError"


async def test_long_work_is_not_given_to_another_meanwhile(
    server: Bus, caller: Bus, stream: str, run: Run
) -> None:
    seen: list[str] = []

    async def slow(message: Msg) -> None:
        seen.append(message.data.decode())
        await asyncio.sleep(5)

    await say(server, stream, "long")
    consumer = Consumer(stream, "reader", ack_wait=2.0)
    for bus in (server, caller):
        run(consume(bus, consumer, slow))
    await until(lambda: seen)
    async with asyncio.timeout(PATIENCE):
        while await left(server, stream):
            await asyncio.sleep(0.05)

    assert seen == ["long"]


async def test_what_a_dead_process_held_goes_to_another(
    server: Bus, caller: Bus, stream: str, run: Run
) -> None:
    held = asyncio.Event()
    seen: list[str] = []

    async def hold(_: Msg) -> None:
        held.set()
        await asyncio.Event().wait()

    async def handle(message: Msg) -> None:
        seen.append(message.data.decode())

    await say(server, stream, "kept")
    consumer = Consumer(stream, "reader", ack_wait=1.0)
    run(consume(caller, consumer, hold))
    await asyncio.wait_for(held.wait(), PATIENCE)
    await caller.client.close()  # no word to the server: as when it is killed
    run(consume(server, consumer, handle))

    await until(lambda: seen == ["kept"])


async def test_what_has_arrived_is_handled_together_and_repeated_together(
    server: Bus, stream: str, run: Run
) -> None:
    calls: list[list[str]] = []

    async def handle(messages: Sequence[Msg]) -> None:
        calls.append([m.data.decode() for m in messages])
        if len(calls) == 1:
            raise ValueError("all of it again")

    await say(server, stream, *"abcdef")
    run(consume_batches(server, Consumer(stream, "reader", concurrency=4), handle))
    await until(lambda: {w for call in calls[1:] for w in call} == set("abcdef"))

    assert max(len(call) for call in calls) <= 4
    assert len(calls) < 12


async def test_a_stream_that_vanished_is_made_again_and_read_on(
    server: Bus, stream: str, run: Run
) -> None:
    seen: list[str] = []

    async def handle(message: Msg) -> None:
        seen.append(message.data.decode())

    await say(server, stream, "before")
    run(consume(server, Consumer(stream, "reader"), handle))
    await until(lambda: seen == ["before"])
    await server.js.delete_stream(stream)
    await say(server, stream, "after")

    await until(lambda: seen == ["before", "after"])

"""Reading from a stream: a durable pull consumer that never stalls and never loses.

A handler that returns has done its work (ack). After an exception the message comes again,
with a growing delay; after `Consumer.max_tries` it goes to the ``DEAD`` stream and is done with.
Messages of one batch are handled together or side by side, under a bound; while one is being
handled, however long, the server is told so every third of its wait.

The pull is our own rather than the client's ``fetch``, which waits for full batches and has
stalled after reconnects (nats.py issues 933, 986): one standing request, renewed as it is used
up, with heartbeats; a missed heartbeat starts over, and a vanished stream or consumer is made
again.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from libs.common import streams
from libs.common.bus import Bus
from libs.common.telemetry import BUS_CONSUMED, log

HEARTBEAT = 2.0  # seconds between two signs of life of a standing pull
PULL_EXPIRES = 30.0  # seconds a standing pull lives
RETRY_BASE = 1.0  # seconds before the first repeat after an error; doubles, with jitter
RETRY_MAX = 60.0  # seconds

Handler = Callable[[Msg], Awaitable[None]]
BatchHandler = Callable[[Sequence[Msg]], Awaitable[None]]


class Consumer(msgspec.Struct, frozen=True):
    """What a durable consumer is. ``concurrency`` messages at most are out to one process."""

    stream: str
    durable: str
    subjects: tuple[str, ...] = ()
    concurrency: int = 16
    ack_wait: float = 30.0  # seconds until another replica gets it
    max_tries: int = 8
    max_ack_pending: int = 1000  # over all replicas


async def consume(bus: Bus, consumer: Consumer, handler: Handler) -> None:
    """Handle messages one by one, `concurrency` side by side, until cancelled."""

    async def batch(messages: Sequence[Msg]) -> None:
        await asyncio.gather(
            *(_handle(bus, consumer, [m], lambda ms: handler(ms[0])) for m in messages)
        )

    await _Pull(bus, consumer, batch, together=False).run()


async def consume_batches(bus: Bus, consumer: Consumer, handler: BatchHandler) -> None:
    """Handle what has arrived together, up to `concurrency` messages a call, until cancelled.

    The handler's return acknowledges all of them; its exception repeats all of them.
    """

    async def batch(messages: Sequence[Msg]) -> None:
        await _handle(bus, consumer, messages, handler)

    await _Pull(bus, consumer, batch, together=True).run()


class _Pull:
    def __init__(
        self, bus: Bus, consumer: Consumer, batch: BatchHandler, *, together: bool
    ) -> None:
        self._bus = bus
        self._consumer = consumer
        self._batch = batch
        self._together = together
        self._asked = 0  # messages the standing pull may still bring
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._ensure()
                await self._read()
                pause = 0.1
            except asyncio.CancelledError:
                await self._finish()
                raise
            except Exception as exc:
                log.warning(
                    "consumer_restarts",
                    durable=self._consumer.durable,
                    error=type(exc).__name__,
                    reason=str(exc),
                )
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, 5.0)

    async def _finish(self, grace: float = 10.0) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()

    async def _ensure(self) -> None:
        consumer = self._consumer
        await streams.ensure(self._bus.js, consumer.stream, streams.DEAD)
        config = ConsumerConfig(
            durable_name=consumer.durable,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=consumer.ack_wait,
            max_deliver=-1,
            max_ack_pending=consumer.max_ack_pending,
            filter_subjects=list(consumer.subjects) or None,
        )
        await self._bus.js.add_consumer(consumer.stream, config)

    async def _read(self) -> None:
        inbox = self._bus.client.new_inbox()
        subscription = await self._bus.client.subscribe(inbox)
        self._asked = 0
        heard = time.monotonic()
        try:
            while True:
                await self._ask(inbox)
                message = await self._next(subscription)
                if message is None:
                    if time.monotonic() - heard > HEARTBEAT * 2.5:
                        raise TimeoutError("no sign of life from the stream")
                    continue
                if not self._is_status(message):
                    await self._dispatch(self._arrived(message, subscription))
                heard = time.monotonic()  # after the work, however long: no pull stood meanwhile
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _next(self, subscription: Subscription) -> Msg | None:
        try:
            return await subscription.next_msg(timeout=HEARTBEAT)
        except nats.errors.TimeoutError:
            return None

    def _arrived(self, first: Msg, subscription: Subscription) -> list[Msg]:
        """The first message and, where they are handled together, all that came with it."""
        messages = [first]
        self._asked -= 1
        queue = subscription._pending_queue  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        while self._together and len(messages) < self._consumer.concurrency and queue.qsize():
            message = queue.get_nowait()
            subscription._pending_size -= len(message.data)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            queue.task_done()
            if not self._is_status(message):
                messages.append(message)
                self._asked -= 1
        return messages

    async def _dispatch(self, messages: list[Msg]) -> None:
        if self._together:
            await self._batch(messages)
            return
        task = asyncio.create_task(_shield(self._batch(messages)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        while len(self._tasks) >= self._consumer.concurrency:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _ask(self, inbox: str) -> None:
        """Keep one pull standing for as many messages as this process may still take."""
        if self._asked > 0:
            return
        batch = self._consumer.concurrency - len(self._tasks)
        if batch <= 0:
            return
        query = {
            "batch": batch,
            "expires": int(PULL_EXPIRES * 1e9),
            "idle_heartbeat": int(HEARTBEAT * 1e9),
        }
        name = f"{self._consumer.stream}.{self._consumer.durable}"
        self._asked = batch
        await self._bus.client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{name}", msgspec.json.encode(query), reply=inbox
        )

    def _is_status(self, message: Msg) -> bool:
        status = (message.headers or {}).get("Status")
        if status is None:
            return False
        if status == "100":
            return True
        if status in ("408", "404"):  # the pull ran out: ask anew
            self._asked = 0
            return True
        description = (message.headers or {}).get("Description", "")
        raise LookupError(f"the stream says {status} {description}")


async def _shield(work: Awaitable[None]) -> None:
    await work


async def _handle(
    bus: Bus, consumer: Consumer, messages: Sequence[Msg], handler: BatchHandler
) -> None:
    alive = asyncio.create_task(_keep_alive(consumer, messages))
    outcome = "done"
    try:
        await handler(messages)
        await _each(messages, lambda m: m.ack())
    except Exception as exc:
        outcome = "error"
        log.warning("consume_failed", durable=consumer.durable, exc_info=exc)
        reason = type(exc).__name__
        await _each(messages, lambda m: _failed(bus, consumer, m, reason))
    finally:
        alive.cancel()
        BUS_CONSUMED.labels(consumer.durable, outcome).inc(len(messages))


async def _failed(bus: Bus, consumer: Consumer, message: Msg, reason: str) -> None:
    tries = message.metadata.num_delivered
    if tries < consumer.max_tries:
        delay = min(RETRY_BASE * 2 ** (tries - 1), RETRY_MAX) * random.uniform(0.8, 1.2)
        await message.nak(delay=delay)
        return
    sequence = message.metadata.sequence.stream
    await bus.publish_durable(
        f"dead.{consumer.durable}.{message.subject}",
        message.data,
        message_id=f"{consumer.stream}.{consumer.durable}.{sequence}",
        headers={**(message.headers or {}), "Chattery-Reason": reason},
    )
    await message.term()
    BUS_CONSUMED.labels(consumer.durable, "dead").inc()
    log.error("message_dead", durable=consumer.durable, subject=message.subject, tries=tries)


async def _keep_alive(consumer: Consumer, messages: Sequence[Msg]) -> None:
    while True:
        await asyncio.sleep(consumer.ack_wait / 3)
        await _each(messages, lambda m: m.in_progress())


async def _each(messages: Sequence[Msg], act: Callable[[Msg], Awaitable[Any]]) -> None:
    """Tell the server about each; when it can't be told, it will deliver again by itself."""
    for message in messages:
        with suppress(nats.errors.Error):
            await act(message)

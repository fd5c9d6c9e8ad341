"""Takes events from the stream into the inbox and makes their deliveries.

One process at a time, under a lease that each batch's transaction renews: who lost it can't
write. The events, their deliveries and the place in the stream are one transaction, and an event
that came before is known by its id: a wiped stream, a crash or a repeat loses and doubles nothing.
"""

import asyncio
import random
import time

import msgspec
import nats.errors
import psycopg
from nats.aio.msg import Msg

from libs.common import events, streams
from libs.common.bus import Bus
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.streams import EVENTS
from libs.common.telemetry import log
from services.webhooks import metrics
from services.webhooks.dispatcher import MOST_NAMED, Dispatcher
from services.webhooks.endpoints import CHANGED
from services.webhooks.feed import BATCH, Feed
from services.webhooks.store import inbox

LEASE = 6.0  # seconds
REST = 0.02  # seconds after a round: what is published meanwhile comes in together
LOOK = 1.0  # seconds between two looks at the stream when nothing was heard
DUE = "webhooks.due"  # tells the other processes that there is something to claim


class Intake:
    def __init__(self, db: Database, bus: Bus, dispatcher: Dispatcher, *, owner: str) -> None:
        self._db = db
        self._bus = bus
        self._feed = Feed(bus, EVENTS)
        self._dispatcher = dispatcher
        self._owner = owner
        self._heard = asyncio.Event()
        self._stopped = False
        self._place = ("", 0)  # in which stream we have read how far ...
        self._sure_until = 0.0  # ... which nobody else can have moved before then

    async def run(self) -> None:
        """Read on while this process has the lease, until cancelled."""
        pause = LOOK
        while not self._stopped:
            try:
                async with asyncio.timeout(30):
                    pause = LOOK if await self._lead() else LEASE / 3
                await asyncio.sleep(REST)
            except (AppError, TimeoutError, nats.errors.Error) as exc:
                self._sure_until = 0.0
                log.warning("intake_waits", reason=str(exc))
                pause = min(pause * 1.5, 5.0)
            try:
                async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):
                    await self._heard.wait()
            except TimeoutError:
                continue
            finally:
                self._heard.clear()
        await asyncio.Event().wait()

    async def listen(self) -> None:
        """Hear that events pass, that deliveries are due, what was changed; all are only hints."""

        async def heard(_: Msg) -> None:
            self._heard.set()

        async def due(message: Msg) -> None:
            self._dispatcher.wake(message.data.decode().split())

        async def changed(message: Msg) -> None:
            self._dispatcher.changed(message.data.decode())

        while True:
            try:
                await self._bus.client.subscribe("events.>", cb=heard)
                await self._bus.client.subscribe(DUE, cb=due)
                await self._bus.client.subscribe(CHANGED, cb=changed)
                break
            except nats.errors.Error:
                await asyncio.sleep(1.0)
        await asyncio.Event().wait()

    async def _lead(self) -> bool:
        """Take in all there is. False when another process does."""
        if self._stopped:
            return False
        created, last = await self._feed.state()
        position = await self._position(created)
        metrics.LEADER.set(position is not None)
        if position is None:
            return False
        if position > last:  # the stream lost its end, or was put back: what is known is skipped
            log.warning("stream_went_back", position=position, last=last)
            position = 0
        while position < last:
            messages = await self._feed.read(position, BATCH)
            if not messages:
                break
            if not await self._take(created, messages):
                self._sure_until = 0.0
                return False
            position = messages[-1][0]
            self._place = (created, position)
            last = max(last, position)
            if len(messages) == BATCH:
                last = max(last, position + 1)
        return True

    async def _position(self, created: str) -> int | None:
        """The last number read of this very stream; None while another process has the lease.

        Whoever renewed it a moment ago need not ask: nobody else has read on since.
        """
        asked = time.monotonic()
        stream, position = self._place
        if stream == created and asked < self._sure_until:
            return position
        async with self._db.system() as tx:
            if not await inbox.hold(tx, inbox.INTAKE, self._owner, LEASE):
                return None
            position = await inbox.position(tx, EVENTS, created)
        self._place = (created, position)
        self._sure_until = asked + LEASE / 3
        return position

    async def _take(self, created: str, messages: list[tuple[int, Msg]]) -> bool:
        """Store a batch. What the database can't hold is found one by one and set aside."""
        try:
            return await self._store(created, messages)
        except psycopg.DataError as exc:
            if len(messages) == 1:
                message = messages[0][1]
                log.error("event_not_stored", subject=_subject(message), reason=str(exc))
                await self._set_aside(message)
                async with self._db.system() as tx:
                    await inbox.advance(tx, EVENTS, created, messages[0][0])
                return True
        for one in messages:
            if not await self._take(created, [one]):
                return False
        return True

    async def _store(self, created: str, messages: list[tuple[int, Msg]]) -> bool:
        found = {e.id: e for e in [await self._decode(m) for _, m in messages] if e is not None}
        made: set[str] = set()
        async with self._db.system() as tx:
            if not await inbox.hold(tx, inbox.INTAKE, self._owner, LEASE):
                return False
            if found:
                new = await inbox.add(tx, list(found.values()))
                made = await inbox.fan_out(tx, [e for e in found.values() if e.id in new])
                metrics.EVENTS.inc(len(new))
            await inbox.advance(tx, EVENTS, created, messages[-1][0])
        if made:
            self._dispatcher.wake(made)
            await self._bus.publish(DUE, " ".join(sorted(made)[:MOST_NAMED]).encode())
        return True

    async def _decode(self, message: Msg) -> events.Event | None:
        """A public event; None for what is not for webhooks. What can't be read is set aside."""
        subject = _subject(message)
        if subject.rpartition(".")[2] not in events.PUBLIC_EVENTS:
            return None
        try:
            return events.decode(message.data)
        except (msgspec.DecodeError, msgspec.ValidationError):
            log.error("event_unreadable", subject=subject)
            await self._set_aside(message)
            return None

    async def _set_aside(self, message: Msg) -> None:
        sequence = (message.headers or {}).get("Nats-Sequence", "")
        await streams.ensure(self._bus.js, streams.DEAD)
        await self._bus.publish_durable(
            f"dead.webhooks.{_subject(message)}",
            message.data,
            message_id=f"{EVENTS}.webhooks.{sequence}",
        )

    def stop(self) -> None:
        """Leave the stream to another process."""
        self._stopped = True


def _subject(message: Msg) -> str:
    return (message.headers or {}).get("Nats-Subject", "")

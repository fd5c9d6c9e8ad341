"""The transactional outbox: an event is stored with the change that caused it, then published.

The relay publishes rows in the order of their sequence within a key, marks them after the
stream's acknowledgement, and keeps public ones until the consumer confirms that it has them: a
reconciler asks, and publishes again what was lost. When the stream is not the one of before,
all that was not confirmed goes out again before anything new does, so that a lost stream costs no
order. Consumers drop repeats by event id. Each schema with events has this table (see any service's first migration)::

    create table outbox (
      seq bigint generated always as identity primary key,
      id text not null unique,
      account_id text not null,
      subject text not null,
      key text not null,
      body bytea not null,
      public boolean not null,
      created_at timestamptz not null default now(),
      published_at timestamptz
    );
    create index on outbox (seq) where published_at is null;
"""

import asyncio
import random
import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import DictRow

from libs.common import events, streams
from libs.common.bus import Bus
from libs.common.calls import EVENTS_SEEN, EventIds
from libs.common.db import Database, Tx, as_json
from libs.common.envelope import Context
from libs.common.errors import AppError
from libs.common.telemetry import (
    OUTBOX_OLDEST,
    OUTBOX_PENDING,
    OUTBOX_PUBLISHED,
    log,
    traceparent,
)

POLL_INTERVAL = 1.0  # seconds, when nobody woke us
REST = 0.05  # seconds after a round: what commits meanwhile goes out together
BATCH = 256  # rows a round
RECONCILE_INTERVAL = 30.0  # seconds between two questions to the consumer
LOOK_INTERVAL = 1.0  # seconds between two looks whether the stream is the one of before
CONFIRM_AFTER = "20 seconds"  # a published event is asked about when it is this old
CLOCKS = timedelta(minutes=1)  # that the stream's clock and the database's may be apart
RELAY_LOCK = 0x4F757462  # one relay at a time in a schema, or order would be lost


class Outbox:
    """Adds events to transactions and brings them to the stream."""

    def __init__(self, db: Database, bus: Bus, schema: str) -> None:
        self._db = db
        self._bus = bus
        self._schema = schema
        self._wake = asyncio.Event()
        self._touched: set[int] = set()
        self._stream: datetime | None = None  # when it was made, as far as known ...
        self._look_again = 0.0  # ... which is looked at then, or over a new connection
        self._connection = -1
        db.after_commit.append(self._committed)

    async def add(self, tx: Tx, *items: events.Event) -> None:
        """Store events with this transaction, in this order; they go out after it commits."""
        if not items:
            return
        rows: list[tuple[str, str, str, str, str, bool]] = []
        for event in items:
            if not event.traceparent and (parent := traceparent()):
                event = _with_trace(event, parent)
            body = events.encode(event).decode()
            rows.append(
                (event.id, event.account_id, event.subject, event.key, body, event.data.public)
            )
        await tx.execute(
            "insert into outbox (id, account_id, subject, key, body, public)"
            " select e->>0, e->>1, e->>2, e->>3, convert_to(e->>4, 'UTF8'), (e->>5)::boolean"
            " from json_array_elements(%s::json) with ordinality as new (e, place) order by place",
            (as_json(rows),),
        )
        self._touched.add(id(tx))

    def _committed(self, tx: Tx) -> None:
        if id(tx) in self._touched:
            self._touched.discard(id(tx))
            self._wake.set()

    async def relay(self) -> None:
        """Publish what is due, until cancelled."""
        pause = POLL_INTERVAL
        while True:
            try:
                async with asyncio.timeout(60):
                    while await self._publish_batch() == BATCH:
                        pass
                pause = POLL_INTERVAL
                await asyncio.sleep(REST)
            except (AppError, TimeoutError) as exc:
                log.warning("outbox_waits", reason=str(exc))
                pause = min(pause * 1.5, 5.0)
            try:
                async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def _publish_batch(self) -> int:
        await self._notice_new_stream()
        async with self._db.system(pipelined=True) as tx:
            await self._alone(tx)
            cursor = await tx.execute(
                "select seq, id, subject, key, body,"
                " extract(epoch from now() - created_at)::float as age from outbox"
                " where published_at is null order by seq limit %s",
                (BATCH,),
            )
            rows = await cursor.fetchall()
            OUTBOX_PENDING.set(len(rows))
            OUTBOX_OLDEST.set(max((row["age"] for row in rows), default=0.0))
            if not rows:
                return 0
            sent = await self._publish(rows)
            if sent:
                await tx.execute("delete from outbox where seq = any(%s) and not public", (sent,))
                await tx.execute(
                    "update outbox set published_at = now() where seq = any(%s)", (sent,)
                )
        if len(sent) < len(rows):
            raise TimeoutError("the event stream did not confirm")
        return len(rows)

    async def _alone(self, tx: Tx) -> None:
        await tx.execute(
            "select pg_advisory_xact_lock(%s, hashtext(%s))", (RELAY_LOCK, self._schema)
        )

    async def _notice_new_stream(self) -> None:
        """What was published before the stream was made is not in it: due again, before the rest."""
        now, connection = time.monotonic(), self._bus.client.stats["reconnects"]
        if now < self._look_again and connection == self._connection:
            return
        made = await streams.created(self._bus.js, streams.EVENTS)
        self._look_again, self._connection = now + LOOK_INTERVAL, connection
        if made == self._stream:
            return
        async with self._db.system() as tx:
            await self._alone(tx)
            cursor = await tx.execute(
                "update outbox set published_at = null where published_at < %s", (made + CLOCKS,)
            )
        if cursor.rowcount:
            log.warning("stream_made_anew", events=cursor.rowcount)
        self._stream = made

    async def _publish(self, rows: list[DictRow]) -> list[int]:
        """Publish each key's rows in order, keys side by side; returns what was confirmed."""
        by_key: dict[str, list[DictRow]] = defaultdict(list)
        for row in rows:
            by_key[row["key"]].append(row)
        done = await asyncio.gather(*(self._publish_key(group) for group in by_key.values()))
        return [seq for group in done for seq in group]

    async def _publish_key(self, rows: list[DictRow]) -> list[int]:
        sent: list[int] = []
        for row in rows:
            try:
                await self._bus.publish_durable(
                    row["subject"], bytes(row["body"]), message_id=row["id"]
                )
            except AppError:
                break
            sent.append(row["seq"])
            OUTBOX_PUBLISHED.inc()
        return sent

    # -- until the effect is there -----------------------------------------------------------

    async def reconcile(self) -> None:
        """Ask the consumer of public events what it has; publish the rest again, until cancelled."""
        while True:
            await asyncio.sleep(RECONCILE_INTERVAL * random.uniform(0.8, 1.2))
            try:
                while await self._reconcile_batch() == BATCH:
                    pass
            except (AppError, TimeoutError) as exc:
                log.warning("outbox_unconfirmed", reason=str(exc))

    async def _reconcile_batch(self) -> int:
        async with self._db.system() as tx:
            cursor = await tx.execute(
                "select seq, id from outbox where published_at < now() - %s::interval"
                " order by seq limit %s",
                (CONFIRM_AFTER, BATCH),
            )
            rows = await cursor.fetchall()
        if not rows:
            return 0
        asked = EventIds(ids=[row["id"] for row in rows])
        seen = set((await self._bus.request(EVENTS_SEEN, asked, Context.system())).ids)
        lost = [row["id"] for row in rows if row["id"] not in seen]
        async with self._db.system() as tx:
            await tx.execute("delete from outbox where id = any(%s)", (list(seen),))
            if lost:
                log.warning("events_published_again", count=len(lost))
                await tx.execute(
                    "update outbox set published_at = null where id = any(%s)", (lost,)
                )
        self._wake.set()
        return 0 if lost else len(rows)


def _with_trace(event: events.Event, parent: str) -> Any:
    return events.Event(
        event.id,
        event.account_id,
        event.chatbot_id,
        event.key,
        event.occurred_at,
        event.data,
        parent,
    )

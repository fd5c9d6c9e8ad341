"""Workers: take the next item, keep its lease, work on it.

A message on ``INGEST`` or a look every second lets a free worker ask Postgres for the next
item; Postgres decides which, fairly. An item that is being worked on is leased: the lease is
renewed while its worker lives, and lapses within seconds when it does not.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

from nats.aio.msg import Msg

from libs.common.bus import Bus
from libs.common.consumers import Consumer, consume
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.streams import INGEST
from libs.common.telemetry import log
from services.ingest.metrics import CLAIM_WAIT, DUE
from services.ingest.notices import JOBS
from services.ingest.store import work
from services.ingest.store.rows import ItemRow

RENEWALS = 4  # signs of life in the time of a lease
LOOK = 1.0  # seconds between two looks for work that nobody announced

Run = Callable[[ItemRow], Awaitable[None]]


def consumer_of(kind: str, size: int) -> Consumer:
    """Of ``item`` or ``crawl``. The autoscaler of the manifests watches them by name."""
    return Consumer(
        stream=INGEST,
        durable=f"ingest-{kind}s",
        subjects=(f"{JOBS}.{kind}",),
        concurrency=size,
        ack_wait=30.0,
    )


class Workers:
    """``size`` workers of one kind (items, or crawls) in this process."""

    def __init__(
        self, db: Database, bus: Bus, run: Run, *, size: int, crawls: bool, lease: float
    ) -> None:
        self._db = db
        self._bus = bus
        self._run = run
        self._size = size
        self._crawls = crawls
        self._lease = lease  # seconds until another worker may take an item over
        self._slots = asyncio.Semaphore(size)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def listen(self) -> None:
        """Work when the queue says so, until cancelled."""
        await consume(
            self._bus, consumer_of("crawl" if self._crawls else "item", self._size), self._woken
        )

    async def look(self) -> None:
        """Work on what is due though nobody said so, until cancelled."""
        while True:
            await asyncio.sleep(LOOK * random.uniform(0.7, 1.3))
            try:
                async with self._db.system() as tx:
                    due = await work.due_count(tx)
                DUE.set(due)  # also while all are busy: that is when more replicas help
                if not self._slots.locked():
                    for _ in range(min(due, self._size)):
                        self._spawn()
            except AppError as exc:
                log.warning("work_not_seen", reason=exc.message)

    async def drain(self, grace: float) -> None:
        """Take nothing more; what runs may finish, what is late is left to others."""
        self._stopping = True
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=max(0.1, grace - 2))
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=2)

    async def _woken(self, _: Msg) -> None:
        await asyncio.shield(self._spawn())

    def _spawn(self) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self) -> None:
        """Items one after another for as long as any is due."""
        if self._stopping or self._slots.locked():
            return
        async with self._slots:
            try:
                while not self._stopping and (item := await self._claim()) is not None:
                    await self._keep(item)
            except AppError as exc:
                log.warning("work_interrupted", reason=exc.message)

    async def _claim(self) -> ItemRow | None:
        async with self._db.system() as tx:
            item = await work.claim(tx, uuid4().hex, self._lease, crawls=self._crawls)
        if item is not None:
            CLAIM_WAIT.observe(max(0.0, (item.updated_at - item.due_at).total_seconds()))
        return item

    async def _keep(self, item: ItemRow) -> None:
        """Run the item while its lease holds."""
        running = asyncio.ensure_future(self._run(item))
        renewing = asyncio.create_task(self._renew(item))
        try:
            await asyncio.wait({running, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                log.info("item_taken_away", item=item.id)
                running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        except asyncio.CancelledError:
            running.cancel()
            with suppress(asyncio.CancelledError, AppError):
                await running
            await asyncio.shield(self._give_back(item))
            raise
        except AppError as exc:  # the lease lapses, and somebody takes it up again
            log.warning("item_not_settled", item=item.id, reason=exc.message)
        finally:
            renewing.cancel()

    async def _renew(self, item: ItemRow) -> None:
        """Ends when the lease is not ours any more."""
        assert item.lease is not None
        while True:
            await asyncio.sleep(self._lease / RENEWALS)
            try:
                async with self._db.system() as tx:
                    if not await work.renew(tx, item.lease, self._lease):
                        return
            except AppError:
                continue

    async def _give_back(self, item: ItemRow) -> None:
        assert item.lease is not None
        with suppress(AppError):
            async with self._db.transaction(item.account_id) as tx:
                await work.put_back(tx, item.account_id, item.id, item.lease, 0.0)

"""Keeps the tables small and people informed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from libs.common.db import Database, Tx
from libs.common.errors import AppError
from libs.common.telemetry import log
from services.webhooks import metrics
from services.webhooks.store import inbox, upkeep

LEASE = 30.0  # seconds; one process at a time does this
PAUSE = 0.05  # seconds between two batches
PER_ROUND = 200  # batches at most, before the others get their turn


class Upkeep:
    def __init__(
        self,
        db: Database,
        *,
        owner: str,
        every: float,
        keep: timedelta,
        longest: timedelta,
        disable_after: timedelta,
    ) -> None:
        self._db = db
        self._owner = owner
        self._every = every
        self._keep = keep
        self._longest = longest
        self._disable_after = disable_after

    async def run(self) -> None:
        """A round every ``every`` seconds, until cancelled."""
        while True:
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))
            try:
                await self._round()
            except (AppError, TimeoutError) as exc:
                log.warning("upkeep_waits", reason=str(exc))

    async def _round(self) -> None:
        async with self._db.system() as tx:
            if not await inbox.hold(tx, "upkeep", self._owner, max(LEASE, self._every * 2)):
                metrics.DUE.set(0)  # whoever has the lease tells; autoscalers take the maximum
                metrics.OLDEST.set(0)
                return
            if disabled := await upkeep.disable_failing(tx, self._disable_after):
                metrics.DISABLED.labels("failing").inc(disabled)
            await upkeep.forget_previous(tx)
            due, oldest = await upkeep.due(tx)
            metrics.DUE.set(due)
            metrics.OLDEST.set(oldest)
        await self._batches(upkeep.cancel)
        await self._batches(upkeep.remove_deleted)
        await self._batches(lambda tx: upkeep.prune(tx, self._keep, self._longest))

    async def _batches(self, work: Callable[[Tx], Awaitable[int]]) -> None:
        for _ in range(PER_ROUND):
            async with self._db.system() as tx:
                done = await work(tx)
            if not done:
                return
            await asyncio.sleep(PAUSE)

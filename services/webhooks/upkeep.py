"""Keeps the tables small, the secrets under the current key, and people informed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from libs.common.db import Database, Tx
from libs.common.errors import AppError
from libs.common.keyring import Keyring
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
        keyring: Keyring,
        *,
        owner: str,
        every: float,
        keep: timedelta,
        longest: timedelta,
        disable_after: timedelta,
    ) -> None:
        self._db = db
        self._keyring = keyring
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
                return
            if disabled := await upkeep.disable_failing(tx, self._disable_after):
                metrics.DISABLED.labels("failing").inc(disabled)
            await upkeep.forget_previous(tx)
            metrics.DUE.set(await upkeep.due(tx))
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

    async def reseal(self) -> None:
        """Seal every secret under the current key; then the older keys may go from the keyring."""
        after, count = "", 0
        while True:
            async with self._db.system() as tx:
                rows = await upkeep.sealed(tx, after)
                for row in rows:
                    sealed = [bytes(s) for s in (row["secret"], *row["previous_secrets"])]
                    if all(self._keyring.is_current(secret) for secret in sealed):
                        continue
                    try:
                        secret, *previous = [self._again(one, row["id"]) for one in sealed]
                    except AppError as exc:
                        log.error("secret_not_resealed", endpoint_id=row["id"], reason=exc.message)
                        continue
                    await upkeep.reseal(tx, row["id"], secret, previous)
                    count += 1
            if not rows:
                break
            after = rows[-1]["id"]
        if count:
            log.info("secrets_resealed", count=count, key=self._keyring.current)

    def _again(self, sealed: bytes, owner: str) -> bytes:
        return self._keyring.seal(self._keyring.open(sealed, owner), owner)

    async def reseal_at_start(self) -> None:
        """After a start, for a keyring that got a new key; then rest."""
        try:
            await self.reseal()
        except AppError as exc:
            log.error("secrets_not_resealed", reason=str(exc))
        await asyncio.Event().wait()

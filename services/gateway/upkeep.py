"""Forgets what is past its time: entries of the audit log, links that were never used, old jobs."""

import asyncio
import random

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import log
from services.gateway.store import accounts, audit, links

EVERY = 3_600.0  # seconds
BATCH = 5_000  # rows a transaction


class Upkeep:
    def __init__(self, db: Database, audit_days: int) -> None:
        self._db = db
        self._days = audit_days

    async def run(self) -> None:
        """A round every so often, until cancelled. Replicas may do it at once."""
        while True:
            await asyncio.sleep(EVERY * random.uniform(0.5, 1.5))
            try:
                await self.round()
            except AppError as exc:
                log.warning("upkeep_waits", reason=exc.message)

    async def round(self) -> None:
        while True:
            async with self._db.system() as tx:
                removed = await audit.trim(tx, self._days, BATCH)
                await links.trim(tx)
                await accounts.trim_jobs(tx, self._days)
            if removed < BATCH:
                return
            await asyncio.sleep(0.1)

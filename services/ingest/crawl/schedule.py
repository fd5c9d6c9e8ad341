"""Scheduled looks at sources: items whose time has come are queued again."""

import asyncio
import random

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.telemetry import log
from services.ingest.notices import Notices
from services.ingest.store import items, work

INTERVAL = 20.0  # seconds
BATCH = 100


class Schedule:
    def __init__(self, db: Database, notices: Notices) -> None:
        self._db = db
        self._notices = notices

    async def run(self) -> None:
        """Queue what is due, until cancelled."""
        while True:
            try:
                while await self.queue() == BATCH:
                    pass
            except AppError as exc:
                log.warning("refreshes_wait", reason=exc.message)
            await asyncio.sleep(INTERVAL * random.uniform(0.8, 1.2))

    async def queue(self) -> int:
        async with self._db.system() as tx:
            due = await work.due_refreshes(tx, BATCH)
            queued = [
                row
                for item in due
                if (row := await items.requeue(tx, item.account_id, item.id)) is not None
            ]
            for row in queued:
                await items.update(tx, row.account_id, row.id, refresh_at=None)
        for row in queued:
            await self._notices.wake(row)
        return len(due)

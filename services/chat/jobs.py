"""Deletions that reach every store, and forgetting what is past its time."""

import asyncio
import random

from libs.common import events
from libs.common.bus import Bus
from libs.common.calls import KNOWLEDGE_ERASE, WEBHOOKS_ERASE, Erase
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.errors import AppError
from libs.common.outbox import Outbox
from libs.common.telemetry import log
from services.chat.store import chatbots, conversations, live
from services.chat.store.live import DueJob

LOOK_INTERVAL = 1.0  # seconds between two looks for jobs
AGAIN = 0.5  # seconds between two steps of an erasure
RETRY_MAX = 60.0  # seconds between two tries while another service is away
ATTEMPTS = 200  # then it is a person's to look at
FORGET_INTERVAL = 60.0  # seconds between two rounds of forgetting
FORGET_BATCH = 200  # conversations a transaction
LIVE_DAYS = 7  # live events are kept for those who come back
LIVE_BATCH = 5_000


class Jobs:
    def __init__(self, db: Database, bus: Bus, outbox: Outbox) -> None:
        self._db = db
        self._bus = bus
        self._outbox = outbox

    async def run(self) -> None:
        """Do what is due, until cancelled."""
        while True:
            try:
                while await self._one():
                    pass
            except AppError as exc:
                log.warning("jobs_wait", reason=exc.message)
            await asyncio.sleep(LOOK_INTERVAL * random.uniform(0.8, 1.2))

    async def _one(self) -> bool:
        async with self._db.system() as tx:
            job = await live.claim_job(tx)
        if job is None:
            return False
        try:
            async with asyncio.timeout(25):
                await self._step(job)
        except (AppError, TimeoutError) as exc:
            await self._later(job, str(exc))
        return True

    async def _later(self, job: DueJob, reason: str) -> None:
        log.warning("job_waits", job=job.id, kind=job.kind, attempt=job.attempts, reason=reason)
        async with self._db.transaction(job.account_id) as tx:
            if job.attempts >= ATTEMPTS:
                await live.end_job(tx, job.account_id, job.id, error=reason)
                return
            pause = min(2.0 ** min(job.attempts, 6), RETRY_MAX) * random.uniform(0.8, 1.2)
            await live.job_progress(tx, job.account_id, job.id, 0, again_in=pause)

    async def _step(self, job: DueJob) -> None:
        if job.kind == "delete_chatbot":
            await self._delete_chatbot(job)
        else:
            async with self._db.transaction(job.account_id) as tx:
                await chatbots.remove_visitor(tx, job.account_id, job.target)
                await live.end_job(tx, job.account_id, job.id)

    async def _delete_chatbot(self, job: DueJob) -> None:
        """The others' share first; each says when nothing is left."""
        context = Context.system(job.account_id)
        asked = Erase(chatbot_id=job.target, job_id=job.id)
        for done, call in enumerate((KNOWLEDGE_ERASE, WEBHOOKS_ERASE)):
            erased = await self._bus.request(call, asked, context, timeout=15)
            if not erased.done:
                async with self._db.transaction(job.account_id) as tx:
                    await live.job_progress(
                        tx, job.account_id, job.id, 0.1 + 0.4 * done, again_in=AGAIN
                    )
                return
        gone = events.ChatbotDeleted(chatbot_id=job.target, job_id=job.id)
        async with self._db.transaction(job.account_id) as tx:
            await chatbots.remove(tx, job.account_id, job.target)
            await self._outbox.add(
                tx,
                events.make(gone, account=job.account_id, chatbot=job.target, key=job.target),
            )
            await live.end_job(tx, job.account_id, job.id)

    async def forget(self) -> None:
        """Remove what is past its chatbot's retention, until cancelled."""
        while True:
            try:
                async with self._db.system() as tx:
                    talks = await conversations.remove_older(tx, FORGET_BATCH)
                async with self._db.system() as tx:
                    seen = await live.forget(tx, LIVE_DAYS, LIVE_BATCH)
            except AppError as exc:
                log.warning("forgetting_waits", reason=exc.message)
                talks = seen = 0
            if talks == FORGET_BATCH or seen == LIVE_BATCH:
                await asyncio.sleep(0.1)
            else:
                await asyncio.sleep(FORGET_INTERVAL * random.uniform(0.8, 1.2))

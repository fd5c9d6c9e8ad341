"""Deletions that reach every store, and forgetting what is past its time."""

import asyncio
import random
from collections.abc import Sequence

from libs.common import events, streams
from libs.common.bus import Bus
from libs.common.calls import (
    EVENTS_SEEN,
    KNOWLEDGE_ERASE,
    WEBHOOKS_ERASE,
    WEBHOOKS_FORGET,
    Erase,
    Erased,
    EventIds,
    ForgetConversations,
)
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.errors import AppError
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from libs.common.telemetry import log
from services.chat.store import answers, chatbots, conversations, live
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
        steps = {"delete_chatbot": self._delete_chatbot, "delete_visitor": self._delete_visitor}
        await steps.get(job.kind, self._forget_elsewhere)(job)

    async def _again(self, job: DueJob, progress: float) -> None:
        async with self._db.transaction(job.account_id) as tx:
            await live.job_progress(tx, job.account_id, job.id, progress, again_in=AGAIN)

    async def _delete_chatbot(self, job: DueJob) -> None:
        """The others' share first; each says when nothing is left."""
        context = Context.system(job.account_id)
        subject = f"events.{job.account_id}.{job.target}.%"
        if not await self._taken_in(job.account_id, subject=subject):
            return await self._again(job, 0.1)
        asked = Erase(chatbot_id=job.target, job_id=job.id)
        for done, call in enumerate((KNOWLEDGE_ERASE, WEBHOOKS_ERASE)):
            erased = await self._bus.request(call, asked, context, timeout=15)
            if not erased.done:
                return await self._again(job, 0.2 + 0.4 * done)
        await streams.forget(self._bus.js, f"events.{job.account_id}.{job.target}.>")
        gone = events.ChatbotDeleted(chatbot_id=job.target, job_id=job.id)
        async with self._db.transaction(job.account_id) as tx:
            await chatbots.remove(tx, job.account_id, job.target)
            await self._outbox.add(
                tx,
                events.make(gone, account=job.account_id, chatbot=job.target, key=job.target),
            )
            await live.end_job(tx, job.account_id, job.id)
        return None

    async def erase(self, context: Context, _: Erase) -> Erased:
        """All of an account, as a part of its deletion; done once its events are on record nowhere
        but with who took them in, where they are erased next."""
        account = context.account
        async with self._db.transaction(account) as tx:
            await conversations.remove_all(tx, account)
        if not await self._taken_in(account, subject=f"events.{account}.%"):
            return Erased(done=False)
        await streams.forget(self._bus.js, f"events.{account}.>")
        return Erased(done=True)

    async def _delete_visitor(self, job: DueJob) -> None:
        """Their conversations, some at a time; each lot is then forgotten elsewhere."""
        if job.conversations:
            return await self._forget_elsewhere(job)
        async with self._db.transaction(job.account_id) as tx:
            ids = await conversations.of_visitor(tx, job.account_id, job.target, FORGET_BATCH)
            await conversations.remove(tx, job.account_id, ids)
            await live.set_conversations(tx, job.account_id, job.id, ids)
            if not ids:
                await chatbots.remove_visitor(tx, job.account_id, job.target)
                await live.end_job(tx, job.account_id, job.id)
        return None

    async def _forget_elsewhere(self, job: DueJob) -> None:
        """What webhooks logged of conversations that are gone here, once it has all of it."""
        account, ids = job.account_id, job.conversations
        if not await self._taken_in(account, keys=ids):
            return await self._again(job, 0.5)
        asked = ForgetConversations(conversation_ids=ids)
        context = Context.system(account)
        if not (await self._bus.request(WEBHOOKS_FORGET, asked, context, timeout=15)).done:
            return await self._again(job, 0.7)
        async with self._db.transaction(account) as tx:
            if job.kind == "delete_visitor":
                await live.set_conversations(tx, account, job.id, [])
            else:
                await live.remove_job(tx, account, job.id)
        return None

    async def _taken_in(self, account: str, *, subject: str = "", keys: Sequence[str] = ()) -> bool:
        """Whether the consumer of events has all of these: what it lacks would come later."""
        async with self._db.transaction(account) as tx:
            waiting, published = await live.events_under_way(tx, account, subject, keys)
        more = waiting + len(published) >= live.EVENTS_AT_ONCE
        if published:
            seen = await self._bus.request(
                EVENTS_SEEN, EventIds(ids=published), Context.system(), timeout=10
            )
            async with self._db.transaction(account) as tx:
                await live.events_arrived(tx, account, seen.ids)
            waiting += len(published) - len(seen.ids)
        return not waiting and not more

    async def forget(self) -> None:
        """Remove what is past its chatbot's retention, until cancelled."""
        while True:
            try:
                talks = await self._forget_old()
                async with self._db.system() as tx:
                    seen = await live.forget(tx, LIVE_DAYS, LIVE_BATCH)
                    await answers.forget_writers(tx)
            except AppError as exc:
                log.warning("forgetting_waits", reason=exc.message)
                talks = seen = 0
            if talks == FORGET_BATCH or seen == LIVE_BATCH:
                await asyncio.sleep(0.1)
            else:
                await asyncio.sleep(FORGET_INTERVAL * random.uniform(0.8, 1.2))

    async def _forget_old(self) -> int:
        """Conversations, and visitors without any, past their chatbot's retention."""
        async with self._db.system() as tx:
            old = await conversations.past_retention(tx, FORGET_BATCH)
            for account, ids in old.items():
                await conversations.remove(tx, account, ids)
                await live.add_job(tx, account, new_id("job"), "forget", "", ids)
            await chatbots.remove_old_visitors(tx, FORGET_BATCH)
        return sum(map(len, old.values()))

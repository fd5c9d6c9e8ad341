"""Answers in flight: claimed by lease, written apart from the request, taken over from the dead.

An answer is accepted when its row is. Whoever takes the question claims it with the same
transaction, where there is room, and others otherwise. Its process shows frames as they come,
keeps what was shown, and at the end stores the message, its events and the end of the answer in
one transaction; only then the last frame is shown. A process holds all it writes by one lease,
renewed over a connection of its own. Who dies loses it: where nothing was shown another starts
over, else the answer ends with an error frame that says so.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count, takewhile

from libs.common import streams
from libs.common.bus import Bus
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.frames import Frame
from libs.common.ids import new_id
from libs.common.telemetry import log, span
from services.chat import metrics
from services.chat.answerers.port import AnswerFailed
from services.chat.ends import Ends, LostLease
from services.chat.sheet import Sheet
from services.chat.store import answers
from services.chat.store.answers import AnswerRow
from services.chat.writing import ConversationGone, Scene, Writer

SWEEP_INTERVAL = 0.5  # seconds between two looks for answers that nobody works on
RENEW_INTERVAL = 0.5  # seconds; a lease lasts 3
SWEPT = 50  # answers taken at once
SAVE_INTERVAL = 1.0  # seconds between two savings of what was shown, lest the bus is lost with us
FRAMES_A_SECOND = 500  # of all answers of this process; beyond that they grow longer
SHORTEST_PACE = 0.01  # seconds to rest between two frames of one answer
LONGEST_PACE = 0.3
ASKED_PACE = 0.25  # at least, of a slow model's answer while questions are being stored
LONGEST = 150.0  # seconds an answer may take
MAX_ATTEMPTS = 4
DRAIN_LOOK = 0.1  # seconds between two looks whether all has ended
FINISH_TIMEOUT = 45.0  # seconds to store the end while the database is away


def pace(running: int, *, slow: bool, asked: bool) -> float:
    """Seconds between two frames of an answer: the more there are, the longer.

    Longer still while somebody is asking: a first word is worth more than a further one. Not where
    the text comes fast: it may have ended by now.
    """
    seconds = min(max(running / FRAMES_A_SECOND, SHORTEST_PACE), LONGEST_PACE)
    return max(seconds, ASKED_PACE) if asked and slow else seconds


class Runner:
    def __init__(
        self,
        db: Database,
        bus: Bus,
        writer: Writer,
        ends: Ends,
        *,
        leases: Database,
        slots: int,
        slots_an_account: int,
    ) -> None:
        self._db = db
        self._bus = bus
        self._writer = writer
        self._ends = ends
        self._leases = leases  # a connection that waits for nobody
        self._slots = slots
        self._slots_an_account = slots_an_account
        self._by_account: Counter[str] = Counter()
        self._owner = new_id("job")
        self._promised: Counter[str] = Counter()  # places of questions being stored, by account
        self._running: dict[str, asyncio.Task[None]] = {}
        self._sheets: dict[str, Sheet] = {}
        self._writing: set[str] = set()  # those of them that can be broken off
        self._stop: set[str] = set()
        self._lost: set[str] = set()
        self._wake = asyncio.Event()
        self._holding_until = 0.0  # our lease, counted from before it was asked for
        self._queued_until = 0.0  # a question that came here may wait until then
        self._draining = False
        self._drained = False  # what would begin now is another's

    # -- starting ----------------------------------------------------------------------------

    @contextmanager
    def place(self, account: str) -> Generator[str | None]:
        """Room for one more answer while its question is stored: who will own it, or None."""
        room = self._slots - len(self._running) - self._promised.total()
        theirs = self._slots_an_account - self._by_account[account] - self._promised[account]
        if not self._holding or room <= 0 or theirs <= 0:
            yield None
            return
        self._promised[account] += 1
        try:
            yield self._owner
        finally:
            self._promised[account] -= 1
            if not self._promised[account]:
                del self._promised[account]

    def look(self, scene: Scene) -> Scene:
        """Begin to look for what an answer will be written from, if there is to be one here."""
        return self._writer.look(scene)

    def start(self, answer: AnswerRow, scene: Scene) -> None:
        """Begin what was stored as ours; what was queued is looked for whenever one ends."""
        if self._drained:
            return
        if answer.owner != self._owner:
            self._queued_until = time.monotonic() + LONGEST
        elif answer.id not in self._running:  # the sweep, if storing took longer than a lease
            self._begin(answer, scene)

    async def sweeps(self) -> None:
        """Claim what nobody works on, until cancelled."""
        while True:
            free = self._slots - len(self._running)
            if free > 0 and self._holding:
                await self._claim(min(free, SWEPT))
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_INTERVAL * random.uniform(0.8, 1.2)):
                    await self._wake.wait()
            self._wake.clear()

    async def _claim(self, limit: int) -> None:
        """Take some answers; those beyond an account's share are left to others, or for later."""
        most = self._slots_an_account
        busy = [account for account, count in self._by_account.items() if count >= most]
        try:
            async with self._db.system() as tx:
                claimed = await answers.claim(
                    tx,
                    self._owner,
                    limit,
                    attempts=MAX_ATTEMPTS,
                    busy=busy,
                    running=list(self._running),
                )
                over = self._over(claimed)
                if over:
                    await answers.release(tx, self._owner, [answer.id for answer in over])
        except AppError as exc:
            log.warning("answers_not_claimed", reason=exc.message)
            return
        for answer in claimed:
            if answer not in over and answer.id not in self._running:
                self._begin(answer)

    def _over(self, claimed: list[AnswerRow]) -> list[AnswerRow]:
        """Those beyond what one account may have at once."""
        counts = Counter(self._by_account)
        over: list[AnswerRow] = []
        for answer in claimed:
            if answer.id in self._running:
                continue
            counts[answer.account_id] += 1
            if counts[answer.account_id] > self._slots_an_account:
                over.append(answer)
        return over

    def _begin(self, answer: AnswerRow, scene: Scene | None = None) -> None:
        self._by_account[answer.account_id] += 1
        task = asyncio.create_task(self._run(answer, scene), name=answer.id)
        self._running[answer.id] = task
        metrics.RUNNING.set(len(self._running))
        task.add_done_callback(lambda _: self._done(answer))

    def _done(self, answer: AnswerRow) -> None:
        self._running.pop(answer.id, None)
        self._sheets.pop(answer.id, None)
        for those in (self._writing, self._stop, self._lost):
            those.discard(answer.id)
        self._by_account[answer.account_id] -= 1
        if not self._by_account[answer.account_id]:
            del self._by_account[answer.account_id]
        metrics.RUNNING.set(len(self._running))
        if time.monotonic() < self._queued_until:  # one of them may be next
            self._wake.set()

    # -- holding -----------------------------------------------------------------------------

    @property
    def _holding(self) -> bool:
        """Whether what is begun here would be ours."""
        return not self._draining and time.monotonic() < self._holding_until

    async def renewals(self) -> None:
        """Renew our lease, and hear what was taken from us or is to stop, until cancelled."""
        while True:
            running = list(self._running)
            until = time.monotonic() + answers.LEASE
            try:
                async with self._leases.system(pipelined=True) as tx:
                    held = await answers.renew(tx, self._owner)
            except AppError as exc:
                log.warning("lease_not_renewed", reason=exc.message)
            else:
                self._holding_until = until
                for id in running:
                    if id not in held:
                        self._interrupt(id, self._lost)
                    elif held[id]:
                        self.stop(id)
            await asyncio.sleep(RENEW_INTERVAL)

    async def saves(self) -> None:
        """Keep what was shown of all that runs here, until cancelled."""
        saved: dict[str, int] = {}
        while True:
            await asyncio.sleep(SAVE_INTERVAL)
            shown = {id: len(sheet.frames) for id, sheet in self._sheets.items() if sheet.frames}
            grown = {
                id: list(self._sheets[id].frames) for id in shown if shown[id] != saved.get(id)
            }
            if not grown:
                continue
            try:
                async with self._db.system(pipelined=True) as tx:
                    kept = await answers.show(tx, self._owner, grown)
            except AppError as exc:
                log.warning("answers_not_saved", count=len(grown), reason=exc.message)
            else:
                saved = {id: n for id, n in shown.items() if id in kept or saved.get(id) == n}

    def stop(self, answer: str) -> None:
        """End an answer early, if it is written here."""
        self._interrupt(answer, self._stop)

    def _interrupt(self, answer: str, reason: set[str]) -> None:
        """Break off the writing, wherever it waits; what is being ended already ends."""
        if answer in self._writing:
            self._writing.discard(answer)
            reason.add(answer)
            self._running[answer].cancel()

    async def drain(self, grace: float) -> None:
        """Take no more, finish what runs, give back what was not begun."""
        self._draining = True
        end = time.monotonic() + max(grace - 3, 1)
        while (self._running or self._promised) and time.monotonic() < end:
            await asyncio.sleep(DRAIN_LOOK)  # what was promised a place is begun yet, once stored
        self._drained = True
        left = list(self._running.items())
        for _, task in left:
            task.cancel()
        if left:
            await asyncio.wait([task for _, task in left], timeout=3)

    # -- writing -----------------------------------------------------------------------------

    def _pace(self, slow: bool) -> float:
        return pace(len(self._running), slow=slow, asked=bool(self._promised))

    async def _run(self, answer: AnswerRow, scene: Scene | None) -> None:
        waited = max((datetime.now(UTC) - answer.created_at).total_seconds(), 0.0)
        sheet = Sheet(self._bus, answer.id, answer.conversation_id, waited=waited, pace=self._pace)
        try:
            async with asyncio.timeout(LONGEST):
                with span("chat.answer", parent=answer.traceparent):
                    await self._answer(answer, sheet, scene)
        except (LostLease, ConversationGone) as exc:
            log.info("answer_left", answer=answer.id, reason=type(exc).__name__)
        except asyncio.CancelledError:
            if answer.id in self._lost:
                log.warning("answer_lost", answer=answer.id)
            elif answer.id in self._stop:
                with suppress(LostLease, AppError):
                    await self._until_stored(self._ends.stopped, answer, sheet, self._owner)
            else:
                await self._give_up(answer, sheet)
                raise
        except AnswerFailed as exc:
            await self._fail(answer, sheet, exc.code, str(exc))
        except TimeoutError:
            await self._fail(answer, sheet, "timeout", "The answer took too long.")
        except AppError as exc:
            await self._fail(answer, sheet, exc.wire_code, exc.message)
        except Exception as exc:
            log.error("answer_crashed", answer=answer.id, exc_info=exc)
            await self._fail(answer, sheet, "internal", "Something went wrong on our side.")

    async def _answer(self, answer: AnswerRow, sheet: Sheet, scene: Scene | None) -> None:
        if answer.attempts > 1:
            metrics.TAKEN_OVER.inc()
            shown = await self._shown(answer)
            if shown:
                sheet.resume(shown)
                raise AnswerFailed("interrupted", "The answer was interrupted; please ask again.")
            if answer.attempts > MAX_ATTEMPTS:
                raise AnswerFailed("interrupted", "The answer failed too often; please ask again.")
        if answer.stop_requested:
            await self._until_stored(self._ends.stopped, answer, sheet, self._owner)
            return
        self._sheets[answer.id] = sheet
        self._writing.add(answer.id)
        await self._writer.write(answer, sheet, scene)
        self._writing.discard(answer.id)
        await self._until_stored(self._ends.finish, answer, sheet, self._owner)

    async def _shown(self, answer: AnswerRow) -> list[str]:
        """Every frame that a reader may have seen of an answer whose writer died."""
        shown = dict(enumerate(answer.frames, start=1))
        try:
            for message in await self._bus.replay(streams.ANSWERS, f"answers.{answer.id}"):
                frame = Frame.from_bus(message.data)
                shown.setdefault(frame.n, frame.data.decode())
        except AppError as exc:
            log.warning("frames_not_replayed", answer=answer.id, reason=exc.message)
        return [shown[n] for n in takewhile(shown.__contains__, count(1))]

    async def _until_stored(self, end: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Store the end, however long the database is away (within reason)."""
        until = time.monotonic() + FINISH_TIMEOUT
        while True:
            try:
                await end(*arguments)
                return
            except AppError as exc:
                if exc.wire_status != 503 or time.monotonic() > until:
                    raise
                log.warning("answer_not_ended", reason=exc.message)
                await asyncio.sleep(random.uniform(0.2, 0.5))

    async def _fail(self, answer: AnswerRow, sheet: Sheet, code: str, message: str) -> None:
        log.warning("answer_failed", answer=answer.id, code=code, shown=len(sheet.frames))
        self._writing.discard(answer.id)
        try:
            await self._until_stored(self._ends.failed, answer, sheet, self._owner, code, message)
        except (LostLease, AppError):
            log.warning("answer_left", answer=answer.id)
        except Exception as exc:
            log.error("answer_not_ended", answer=answer.id, exc_info=exc)

    async def _give_up(self, answer: AnswerRow, sheet: Sheet) -> None:
        """We are stopping: what was shown ends here, the rest is another's to start."""
        with suppress(AppError, LostLease):
            if sheet.frames:
                await self._ends.failed(
                    answer, sheet, self._owner, "interrupted", "The answer was interrupted."
                )
                return
            async with self._db.system() as tx:
                await answers.release(tx, self._owner, [answer.id])

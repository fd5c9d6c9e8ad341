"""Claims what is due, sends it, writes down what came of it; several replicas share the work.

Postgres is the truth. A process holds deliveries under a lease that is longer than it waits and
tries; a process that is gone loses what it held as soon as its sign of life is missed. What was
sent but not written down is sent again: at least once, with the same ``webhook-id``.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from multidict import CIMultiDict
from opentelemetry.trace import SpanKind, StatusCode

from libs.common.calls import Attempt
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.keyring import Keyring
from libs.common.telemetry import exemplar, log, span, traceparent
from services.webhooks import metrics, private, schedule, signing
from services.webhooks.lanes import Job, Lane, Lanes
from services.webhooks.sender import LONGEST_TIMEOUT, Answer, Sender
from services.webhooks.store import inbox, queue
from services.webhooks.store.queue import Busy, Claimed, Outcome

POLL = 0.5  # seconds between two looks when nobody woke us
POLL_LIMITED = 0.05  # seconds, while a rate limit holds something back
PAUSE = 0.002  # seconds a claim waits for more to come due together
MOST_ACTIVE = 512  # attempts at once in one process
MOST_HELD = 1_000  # lanes queued; beyond that nothing is claimed
MOST_NAMED = 200  # endpoints looked at because somebody named them
MOST_CLAIMED = 4_000  # deliveries in one claim, later ones of a conversation included
STALE = queue.LEASE - LONGEST_TIMEOUT - 5.0  # seconds held, after which it is given back untried
ALIVE = 10.0  # seconds after which a process that gave no sign of life is gone
FLUSH = 500  # outcomes in one transaction
MOST_OUTCOMES = 2_000  # not yet written down; beyond that sending waits


class Dispatcher:
    def __init__(
        self,
        db: Database,
        sender: Sender,
        keyring: Keyring,
        *,
        owner: str,
        steps: tuple[float, ...],
    ) -> None:
        self._db = db
        self._sender = sender
        self._keyring = keyring
        self._owner = owner
        self._steps = steps
        self._lanes = Lanes(self._start, MOST_ACTIVE)
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue(MOST_OUTCOMES)
        self._released: list[str] = []
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._keys: dict[tuple[str, bytes], str] = {}
        self._changed: dict[str, float] = {}  # when an endpoint was changed, of the monotonic clock
        self._writing = asyncio.Lock()
        self._draining = False
        self._ended = False
        self._named: set[str] = set()
        self._after = ""  # the endpoint the last look ended with

    def wake(self, endpoints: Iterable[str] = ()) -> None:
        """Something is due, perhaps of these endpoints: they need not be looked for."""
        if len(self._named) < MOST_NAMED:
            self._named.update(endpoints)
        self._wake.set()

    def changed(self, endpoint: str) -> None:
        """What was claimed for an endpoint as it was before is given back, to be claimed anew."""
        self._changed[endpoint] = time.monotonic()
        self._released += [job.claimed.id for job in self._lanes.take_queued(endpoint)]

    # -- claiming ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Claim and send until cancelled."""
        pause = POLL
        while not self._draining:
            try:
                async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await asyncio.sleep(PAUSE)
            try:
                limited = await self._claim()
                pause = POLL_LIMITED if limited else POLL
            except (AppError, TimeoutError) as exc:
                log.warning("claim_failed", reason=str(exc))
                pause = min(pause * 2, 5.0)
        await asyncio.Event().wait()

    async def _claim(self) -> bool:
        """Claim what there is room for. True while a rate limit holds something back."""
        left = MOST_HELD - self._lanes.queued
        if self._draining or left <= 0:
            return False
        now = time.monotonic()  # before the endpoints are read: a later change is noticed
        async with asyncio.timeout(30), self._db.system() as tx:
            named, self._named = self._named, set()
            found, self._after = await queue.busy(tx, self._after, sorted(named))
            share = max(left // max(len(found), 1), 1)
            rooms = {id: min(self._lanes.room(id), share) for id in found}
            limits = {id for id, busy in found.items() if busy.rate_limit is not None}
            tokens = await queue.tokens(tx, sorted(limits)) if limits else {}
            for id in limits:
                rooms[id] = min(rooms[id], tokens.get(id, 0))
            wanted = [_halves(id, room) for id, room in rooms.items() if room > 0]
            heads = await queue.heads(tx, self._owner, wanted) if wanted else []
            free = [head for head in heads if head.endpoint_id not in limits]
            chain = min(queue.CHAIN, MOST_CLAIMED // max(len(free), 1))
            more = await queue.followers(tx, self._owner, free, chain) if free else []
            used = Counter(head.endpoint_id for head in heads if head.endpoint_id in limits)
            if used:
                await queue.spend(tx, used)
        if self._after:
            self._wake.set()
        claimed = sorted([*heads, *more], key=lambda c: c.seq)
        self._lanes.add([Job(c, found[c.endpoint_id], now) for c in claimed])
        return bool(limits)

    # -- sending -----------------------------------------------------------------------------

    def _start(self, lane: Lane) -> None:
        task = asyncio.create_task(self._run_lane(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, lane: Lane) -> None:
        """Send one conversation's deliveries in order; the first failure ends it for now."""
        endpoint_id = lane[0].endpoint.id
        metrics.IN_FLIGHT.inc()
        try:
            while lane:
                if self._draining or self._outdated(lane[0]):
                    break
                job = lane.popleft()
                if not await self._attempt(job):
                    # The others are put off with it, where it is to be tried again.
                    break
        except Exception as exc:
            log.error("delivery_crashed", endpoint_id=endpoint_id, exc_info=exc)
        finally:
            metrics.IN_FLIGHT.dec()
            self._released += [job.claimed.id for job in lane]
            self._lanes.finished(endpoint_id)
            self._wake.set()

    def _outdated(self, job: Job) -> bool:
        changed = self._changed.get(job.endpoint.id, 0.0)
        return job.claimed_at <= changed or time.monotonic() - job.claimed_at > STALE

    async def _attempt(self, job: Job) -> bool:
        """Send once, as part of the trace that the event came from."""
        parent = job.claimed.traceparent
        about = {"chattery.event": job.claimed.event, "chattery.attempt": job.claimed.tries + 1}
        with span("POST webhook", parent=parent, kind=SpanKind.CLIENT, attributes=about) as current:
            succeeded = await self._send(job)
            if not succeeded:
                current.set_status(StatusCode.ERROR)
            return succeeded

    async def _send(self, job: Job) -> bool:
        claimed, endpoint = job.claimed, job.endpoint
        answer = await self._post(claimed, endpoint)
        seconds = answer.attempt.ms / 1000
        metrics.ATTEMPT_SECONDS.observe(seconds, exemplar())
        self._lanes.endpoint(endpoint.id).answered(well=answer.succeeded, seconds=seconds)
        outcome = self._outcome(claimed, answer)
        metrics.ATTEMPTS.labels(outcome.status).inc()
        if answer.succeeded and claimed.occurred_at is not None:
            age = (datetime.now(UTC) - claimed.occurred_at).total_seconds()
            metrics.LATENCY.observe(max(age, 0.0), exemplar())
        log.info(
            "delivery_attempted",
            delivery_id=claimed.id,
            endpoint_id=endpoint.id,
            event_id=claimed.event_id,
            attempt=claimed.tries + 1,
            status=answer.attempt.status,
            ms=answer.attempt.ms,
            outcome=outcome.status,
        )
        await self._outcomes.put(outcome)
        return answer.succeeded

    async def _post(self, claimed: Claimed, endpoint: Busy) -> Answer:
        """One attempt. What goes wrong on our side is a failed one too, so that it has an end."""
        if not claimed.body:
            return _unsent("The event is no longer stored; nothing was sent.", final=True)
        try:
            headers = CIMultiDict(private.unseal(self._keyring, endpoint.headers, endpoint.id))
            headers.update(self._headers(claimed, endpoint, int(time.time())))
        except AppError as exc:
            log.error("delivery_not_signed", endpoint_id=endpoint.id, reason=exc.message)
            return _unsent("The request could not be signed; ask whoever runs this server.")
        if parent := traceparent():  # the receiver may go on with the trace
            headers["traceparent"] = parent
        return await self._sender.send(endpoint.url, headers, claimed.body)

    def _headers(self, claimed: Claimed, endpoint: Busy, timestamp: int) -> dict[str, str]:
        return signing.headers(
            event=claimed.event,
            event_id=claimed.event_id,
            delivery=claimed.id,
            timestamp=timestamp,
            body=claimed.body,
            keys=[self._open(endpoint.id, secret) for secret in endpoint.secrets],
        )

    def _open(self, endpoint: str, sealed: bytes) -> str:
        known = self._keys.get((endpoint, sealed))
        if known is None:
            if len(self._keys) > 10_000:
                self._keys.clear()
            known = self._keys[endpoint, sealed] = self._keyring.open(sealed, endpoint)
        return known

    def _outcome(self, claimed: Claimed, answer: Answer) -> Outcome:
        wait = None
        if answer.succeeded:
            status = "succeeded"
        elif answer.final:
            status = "cancelled"
        else:
            if not answer.gone:
                wait = schedule.delay(self._steps, claimed.tries + 1, answer.retry_after)
            status = "failed" if wait is None else "pending"
        return Outcome(
            delivery=claimed.id,
            endpoint=claimed.endpoint_id,
            seq=claimed.seq,
            key=claimed.key,
            status=status,
            attempt=msgspec.json.encode(answer.attempt).decode(),
            ms=answer.attempt.ms,
            wait=wait,
            gone=answer.gone,
        )

    # -- writing down ------------------------------------------------------------------------

    async def write(self) -> None:
        """Write outcomes down as they come, many in one transaction, until cancelled."""
        while True:
            first = await self._outcomes.get()
            async with self._writing:
                await self._write([first, *self._more_outcomes()])

    def _more_outcomes(self) -> list[Outcome]:
        return [self._outcomes.get_nowait() for _ in range(min(self._outcomes.qsize(), FLUSH - 1))]

    async def _write(self, outcomes: Sequence[Outcome], *, bare: bool = False) -> None:
        pause = 0.1
        while True:
            released, self._released = self._released, []
            try:
                async with asyncio.timeout(30), self._db.system() as tx:
                    if outcomes:
                        await queue.settle(tx, self._owner, outcomes)
                        await queue.disable_gone(tx, {o.endpoint for o in outcomes if o.gone})
                    if released:
                        await queue.release(tx, self._owner, released)
                return
            except (AppError, TimeoutError) as exc:
                log.warning("outcomes_wait", count=len(outcomes), reason=str(exc))
                self._released += released
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, 5.0)
            except Exception as exc:
                log.error("outcomes_not_stored", count=len(outcomes), exc_info=exc)
                self._released += released
                if not bare:
                    await self._write_one_by_one(outcomes)
                return

    async def _write_one_by_one(self, outcomes: Sequence[Outcome]) -> None:
        """One that can't be stored must not keep the others; without its response it can."""
        if len(outcomes) == 1:
            await self._write([_without_response(outcomes[0])], bare=True)
        else:
            for outcome in outcomes:
                await self._write([outcome])

    # -- life --------------------------------------------------------------------------------

    async def live(self) -> None:
        """Give signs of life, free what the dead held, give back what was not tried."""
        while not self._ended:
            try:
                async with asyncio.timeout(ALIVE), self._db.system() as tx:
                    await inbox.hold(tx, f"alive:{self._owner}", self._owner, ALIVE)
                    if freed := await queue.recover(tx):
                        log.warning("deliveries_freed", count=freed)
                        self._wake.set()
                if self._released:
                    async with self._writing:
                        await self._write([])
                self._lanes.forget_idle()
                self._forget_changes()
            except (AppError, TimeoutError) as exc:
                log.warning("sign_of_life_failed", reason=str(exc))
            await asyncio.sleep(ALIVE / 4 * random.uniform(0.8, 1.2))
        await asyncio.Event().wait()

    def _forget_changes(self) -> None:
        old = time.monotonic() - queue.LEASE
        self._changed = {id: at for id, at in self._changed.items() if at > old}

    async def drain(self, grace: float) -> None:
        """Claim no more, end what runs, write it down, give the rest back."""
        self._draining = True
        self._released += [job.claimed.id for job in self._lanes.take_queued()]
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=min(grace, LONGEST_TIMEOUT))
        self._ended = True
        with suppress(AppError, TimeoutError):
            async with asyncio.timeout(5), self._writing:
                while not self._outcomes.empty() or self._released:
                    await self._write(self._more_outcomes())
                async with self._db.system() as tx:
                    await inbox.let_go(tx, self._owner)


def _unsent(why: str, *, final: bool = False) -> Answer:
    return Answer(
        Attempt(
            at=datetime.now(UTC),
            status=None,
            ms=0,
            error=why,
            response_headers={},
            response_body="",
        ),
        final=final,
    )


def _without_response(outcome: Outcome) -> Outcome:
    attempt = msgspec.structs.replace(
        msgspec.json.decode(outcome.attempt, type=Attempt),
        error="What came back could not be stored.",
        response_headers={},
        response_body="",
    )
    return msgspec.structs.replace(outcome, attempt=msgspec.json.encode(attempt).decode())


def _halves(id: str, room: int) -> tuple[str, int, int]:
    """How many of the oldest and of the newest; a single place goes to either by chance."""
    oldest = room // 2 + (room % 2 and random.getrandbits(1))
    return id, oldest, room - oldest

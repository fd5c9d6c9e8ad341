"""What accounts have used, and whether their plan lets them use more.

Counts come from the services that own the things. On limited plans messages are remembered in
Redis for a few seconds, with what was added since; what is added one by one (chatbots, items) is
counted and added in turns, so that many at once don't all see the last free place.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import redis.exceptions
from redis.asyncio import Redis

from libs.common.bus import Bus
from libs.common.calls import (
    CHAT_USAGE,
    KNOWLEDGE_USAGE,
    Ask,
    CreateChatbot,
    CreateItem,
    NoParameters,
    Scrape,
)
from libs.common.envelope import Context
from libs.common.errors import AppError, DeadlineExceeded
from libs.common.telemetry import log
from services.gateway.errors import PlanLimit
from services.gateway.plans import Plan, Plans

TRUSTED_FOR = 10.0  # seconds
REMEMBERED = 5_000  # accounts
TURN_WAIT = 10.0  # seconds to wait for one's turn
TURN_LEASE = 30.0  # seconds after which a turn that never ended is over
_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError)

# KEYS: a count. ARGV: the most there may be; -1 takes one off. Returns the count with this one,
# or -1 where nothing is remembered.
_TAKE = """
local count = redis.call('GET', KEYS[1])
if not count then return -1 end
local most = tonumber(ARGV[1])
if most < 0 then return redis.call('DECR', KEYS[1]) end
if tonumber(count) >= most then return tonumber(count) + 1 end
return redis.call('INCR', KEYS[1])
"""


class Usage:
    def __init__(self, bus: Bus, plans: Plans, redis: "Redis") -> None:
        self._bus = bus
        self._plans = plans
        self._redis: Any = redis
        self._take: Any = redis.register_script(_TAKE)
        self._seen: dict[str, tuple[float, int]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take_message(self, account: str, plan: Plan) -> None:
        """One more message of a visitor. Raises `PlanLimit` when the month's are used up."""
        if plan.messages is None:
            return
        try:
            count = await self._one_more(account, plan.messages)
        except _AWAY as exc:
            log.warning("messages_counted_alone", reason=type(exc).__name__)
            count = await self._one_more_here(account, plan.messages)
        _check("messages", count, plan.messages)

    async def _one_more(self, account: str, most: int) -> int:
        """How many there are with this one, over all replicas; one too many is not counted."""
        name = _messages(account)
        count = int(await self._take(keys=[name], args=[most]))
        if count < 0:
            known = (await self._chat(account)).messages
            await self._redis.set(name, known, nx=True, ex=int(TRUSTED_FOR))
            count = int(await self._take(keys=[name], args=[most]))
        return max(count, 1)  # it was let go just now: the next counts anew

    async def _one_more_here(self, account: str, most: int) -> int:
        """The same over this replica, while Redis is away."""
        if self._seen.get(account, (0.0, 0))[0] < time.monotonic():
            count = (await self._chat(account)).messages
            if len(self._seen) > REMEMBERED:
                self._seen.clear()
            if self._seen.get(account, (0.0, 0))[0] < time.monotonic():
                self._seen[account] = (time.monotonic() + TRUSTED_FOR, count)
        until, count = self._seen[account]
        if count < most:
            self._seen[account] = (until, count + 1)
        return count + 1

    async def _give_back(self, account: str, plan: Plan) -> None:
        """A message that was refused after all."""
        if plan.messages is not None:
            with suppress(*_AWAY):
                await self._take(keys=[_messages(account)], args=[-1])

    async def check_chatbot(self, account: str, plan: Plan) -> None:
        if plan.chatbots is not None:
            _check("chatbots", (await self._chat(account)).chatbots + 1, plan.chatbots)

    async def check_item(self, account: str, plan: Plan, more: int = 1) -> None:
        if plan.knowledge_items is not None:
            items = (await self._knowledge(account)).items
            _check("knowledgeItems", items + more, plan.knowledge_items)

    async def pages_left(self, account: str, plan: Plan) -> int | None:
        """How many pages may still be crawled; None without limit."""
        if plan.pages is None:
            return None
        used = await self._knowledge(account)
        taken = used.pages + used.promised  # to crawls under way, which may need less in the end
        _check("pages", taken + 1, plan.pages)
        return plan.pages - taken

    async def _chat(self, account: str) -> Any:
        return await self._bus.request(CHAT_USAGE, NoParameters(), Context.system(account))

    async def _knowledge(self, account: str) -> Any:
        return await self._bus.request(KNOWLEDGE_USAGE, NoParameters(), Context.system(account))

    # -- around the work ---------------------------------------------------------------------

    @asynccontextmanager
    async def room(self, account: str, plan_name: str, request: Any) -> AsyncIterator[Any]:
        """Hold a request against its account's plan; gives it back, perhaps made smaller."""
        plan = self._plans.of(plan_name)
        if isinstance(request, Ask):
            await self.take_message(account, plan)
            try:
                yield request
            except AppError:
                await self._give_back(account, plan)
                raise
        elif isinstance(request, CreateChatbot) and plan.chatbots is not None:
            async with self._turn(account, "chatbots"):
                await self.check_chatbot(account, plan)
                yield request
        elif isinstance(request, CreateItem | Scrape):
            async with self.room_for_items(account, plan):
                yield await self._within(account, plan, request)
        else:
            yield request

    @asynccontextmanager
    async def room_for_items(self, account: str, plan: Plan, more: int = 1) -> AsyncIterator[None]:
        """Nobody else adds knowledge to the account within the block, and there is room."""
        if plan.knowledge_items is None and plan.pages is None:
            yield
            return
        async with self._turn(account, "knowledge"):
            await self.check_item(account, plan, more)
            yield

    async def _within(self, account: str, plan: Plan, request: Any) -> Any:
        """A crawl of no more pages than are left."""
        left = await self.pages_left(account, plan) if isinstance(request, Scrape) else None
        if left is None:
            return request
        return msgspec.structs.replace(request, max_pages=min(request.max_pages or left, left))

    @asynccontextmanager
    async def _turn(self, account: str, what: str) -> AsyncIterator[None]:
        """One at a time, over all replicas; without Redis over this one."""
        name = f"turn:{account}:{what}"
        here = self._turns.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_WAIT):
                await here.acquire()
        except TimeoutError as exc:
            raise DeadlineExceeded from exc
        try:
            async with self._everywhere(name):
                yield
        finally:
            here.release()

    @asynccontextmanager
    async def _everywhere(self, name: str) -> AsyncIterator[None]:
        lock = self._redis.lock(name, timeout=TURN_LEASE, blocking_timeout=TURN_WAIT, sleep=0.05)
        try:
            taken = await lock.acquire()
        except _AWAY as exc:
            log.warning("turn_not_taken", reason=type(exc).__name__)
            yield
            return
        if not taken:
            raise DeadlineExceeded
        try:
            yield
        finally:
            with suppress(*_AWAY):
                await lock.release()


def _check(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise PlanLimit(details={"limit": what, "max": limit})


def _messages(account: str) -> str:
    return f"messages:{account}:{datetime.now(UTC):%Y-%m}"

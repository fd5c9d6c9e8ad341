"""What accounts have used, and whether their plan lets them use more.

Counts come from the services that own the things; on limited plans they are remembered for a
few seconds, with what this replica added since.
"""

import time
from typing import Any

import msgspec

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
from services.gateway.errors import PlanLimit
from services.gateway.plans import Plan, Plans

TRUSTED_FOR = 10.0  # seconds
REMEMBERED = 5_000  # accounts


class Usage:
    def __init__(self, bus: Bus, plans: Plans) -> None:
        self._bus = bus
        self._plans = plans
        self._messages: dict[str, tuple[float, int]] = {}

    def message(self, account: str) -> None:
        """One more message of a visitor."""
        if account in self._messages:
            until, count = self._messages[account]
            self._messages[account] = (until, count + 1)

    async def check_message(self, account: str, plan: Plan) -> None:
        """Raises `PlanLimit` when the month's messages are used up."""
        if plan.messages is None:
            return
        until, count = self._messages.get(account, (0.0, 0))
        if until < time.monotonic():
            count = (await self._chat(account)).messages
            if len(self._messages) > REMEMBERED:
                self._messages.clear()
            self._messages[account] = (time.monotonic() + TRUSTED_FOR, count)
        _check("messages", count + 1, plan.messages)

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
        left = plan.pages - (await self._knowledge(account)).pages
        _check("pages", plan.pages - left + 1, plan.pages)
        return left

    async def _chat(self, account: str) -> Any:
        return await self._bus.request(CHAT_USAGE, NoParameters(), Context.system(account))

    async def _knowledge(self, account: str) -> Any:
        return await self._bus.request(KNOWLEDGE_USAGE, NoParameters(), Context.system(account))

    # -- guards of routes --------------------------------------------------------------------

    async def guard(self, account: str, plan_name: str, request: Any) -> Any:
        """Hold a request against its account's plan; returns it, perhaps made smaller."""
        plan = self._plans.of(plan_name)
        if isinstance(request, Ask):
            await self.check_message(account, plan)
        elif isinstance(request, CreateChatbot):
            await self.check_chatbot(account, plan)
        elif isinstance(request, CreateItem):
            await self.check_item(account, plan)
        elif isinstance(request, Scrape):
            left = await self.pages_left(account, plan)
            if left is not None:
                wanted = request.max_pages or left
                return msgspec.structs.replace(request, max_pages=min(wanted, left))
        return request


def _check(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise PlanLimit(details={"limit": what, "max": limit})

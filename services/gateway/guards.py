"""Guards that rows of the route table name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.gateway.call import Call
from services.gateway.gateway import Gateway


@asynccontextmanager
async def plan(gateway: Gateway, call: Call, request: Any) -> AsyncIterator[Any]:
    """Hold the request against what the account's plan allows, until what it adds is added."""
    principal = call.principal
    async with gateway.usage.room(principal.account, principal.plan, request) as allowed:
        yield allowed

"""Guards that rows of the route table name."""

from typing import Any

from services.gateway.call import Call
from services.gateway.gateway import Gateway


async def plan(gateway: Gateway, call: Call, request: Any) -> Any:
    """Hold the request against what the account's plan allows."""
    return await gateway.usage.guard(call.principal.account, call.principal.plan, request)

"""The client of Redis or Valkey that measures its commands. Only services that use one import it."""

from typing import Any

from redis.asyncio import Redis

from libs.common.telemetry import REDIS_SECONDS, child_span, timed


class Valkey(Redis):
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with timed(REDIS_SECONDS), child_span(f"redis {args[0]}", {"db.system.name": "redis"}):
            return await super().execute_command(*args, **options)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportGeneralTypeIssues]

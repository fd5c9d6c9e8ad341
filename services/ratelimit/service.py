"""What the ratelimit service is made of."""

from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from redis.asyncio import ConnectionPool

from libs.common.app import Service, bus_check
from libs.common.bus import Bus
from libs.common.calls import LIMITS_CHECK
from libs.common.config import CommonSettings
from libs.common.limits import PolicyFile
from libs.common.valkey import Valkey
from services.ratelimit.handlers import Limiter
from services.ratelimit.window import Windows

REDIS_TIMEOUT = 0.25  # seconds; who asks waits 0.02 and then decides alone
REDIS_CONNECTIONS = 32


class Settings(CommonSettings):
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), validation_alias=AliasChoices("REDIS_URL")
    )
    rate_limits: Path | None = None  # the policy file


async def build(settings: Settings, stack: AsyncExitStack) -> Service:
    policies = PolicyFile(settings.rate_limits)
    pool = ConnectionPool.from_url(  # no more checks are let in than it has connections
        settings.redis_url.get_secret_value(),
        max_connections=REDIS_CONNECTIONS + 1,
        socket_timeout=REDIS_TIMEOUT,
        socket_connect_timeout=REDIS_TIMEOUT,
    )
    client = await stack.enter_async_context(Valkey(connection_pool=pool))
    bus = await stack.enter_async_context(Bus.open(settings, "ratelimit"))
    limiter = Limiter(Windows(client), policies)
    await bus.serve(LIMITS_CHECK, limiter.check, concurrency=REDIS_CONNECTIONS)

    async def redis_answers() -> None:
        await client.ping()  # pyright: ignore[reportGeneralTypeIssues, reportUnknownMemberType]

    return Service(
        "ratelimit",
        checks={"bus": bus_check(bus), "redis": redis_answers},
        tasks={"policies": policies.watch()},
        drain=bus.stop_serving,
    )

"""The limiter's windows on a real Valkey, and its clock moved by hand."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import BlockingConnectionPool, Redis

from libs.common.calls import Decision
from libs.common.limits import Policy
from services.ratelimit import window
from services.ratelimit.window import Charge, Windows
from tests.conftest import Servers


class Clocked(Windows):
    """The real script with ``TIME`` read from a key, so that a test can move it."""

    def __init__(self, client: Redis) -> None:
        source = window._SCRIPT.replace(
            "redis.call('TIME')", "{redis.call('GET', 'clock:s'), redis.call('GET', 'clock:us')}"
        )
        self._script = client.register_script(source)
        self._client = client

    async def at(self, seconds: float) -> None:
        whole, micro = divmod(round(seconds * 1e6), 1_000_000)
        await self._client.mset({"clock:s": whole, "clock:us": micro})


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    pool = BlockingConnectionPool.from_url(servers.redis_url, max_connections=32, timeout=10)
    async with Redis.from_pool(pool) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def windows(redis: Redis) -> Windows:
    return Windows(redis)


@pytest.fixture
async def clocked(redis: Redis) -> Clocked:
    made = Clocked(redis)
    await made.at(1_000_000)
    return made


@pytest.fixture
def somebody() -> str:
    return secrets.token_hex(6)


async def hit(windows: Windows, subject: str, policy: Policy, name: str = "chat") -> Decision:
    return (await windows.charge([Charge(name, subject, policy)]))[0]


async def hits(windows: Windows, count: int, subject: str, policy: Policy) -> int:
    """So many at once; how many were admitted."""
    found = await asyncio.gather(*(hit(windows, subject, policy) for _ in range(count)))
    return sum(decision.allowed for decision in found)

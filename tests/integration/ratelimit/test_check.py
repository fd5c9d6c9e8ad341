"""``ratelimit.check`` over the bus, and the gateway's side of it when all is not well."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from libs.common.bus import Bus
from libs.common.calls import LIMITS_CHECK, CheckLimits, Hit
from libs.common.config import CommonSettings
from libs.common.envelope import Context
from libs.common.limits import DEFAULTS, PolicyFile
from services.gateway.limits import Charge, Limits
from services.ratelimit import service
from tests.conftest import Servers

CHAT = DEFAULTS["chat"]


@pytest.fixture
async def policies(tmp_path: Path) -> Path:
    path = tmp_path / "limits.yaml"
    path.write_text("")
    return path


@pytest.fixture
async def bus(
    servers: Servers, policies: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bus]:
    """The gateway's connection, with a limiter that serves on another."""
    monkeypatch.setattr(service, "REDIS_TIMEOUT", 5.0)  # a busy machine is not an outage
    async with AsyncExitStack() as stack:
        built = await service.build(
            service.Settings.model_validate(
                {
                    "NATS_URL": servers.nats_url_of("ratelimit"),
                    "REDIS_URL": servers.redis_url,
                    "rate_limits": policies,
                }
            ),
            stack,
        )
        watch = asyncio.create_task(built.tasks["policies"])
        stack.callback(watch.cancel)
        settings = CommonSettings.model_validate({"NATS_URL": servers.nats_url_of("gateway")})
        yield await stack.enter_async_context(Bus.open(settings, "gateway"))


@pytest.fixture
def limits(bus: Bus) -> Limits:
    return Limits(bus, PolicyFile(None))


async def ask(limits: Limits, subject: str) -> tuple[bool, float]:
    """Whether it was admitted, and how long that took to say."""
    started = time.perf_counter()
    verdict = await limits.check([Charge("chat", subject, CHAT)], "")
    return verdict.retry_after is None, time.perf_counter() - started


async def test_a_change_of_the_policy_file_holds_without_a_restart(
    bus: Bus, policies: Path, somebody: str
) -> None:
    asked = CheckLimits(hits=[Hit(policy="chat", subject=somebody)])
    first = await bus.request(LIMITS_CHECK, asked, Context.system())
    assert first.limits[0].limit == 10
    policies.write_text("policies: {chat: {limit: 3}}\nplans: {free: {chat: {limit: 1}}}")
    end = time.monotonic() + 60
    limit = 10
    while limit != 3 and time.monotonic() < end:
        await asyncio.sleep(0.2)
        limit = (await bus.request(LIMITS_CHECK, asked, Context.system())).limits[0].limit
    assert limit == 3
    free = CheckLimits(hits=asked.hits, plan="free")
    assert not (await bus.request(LIMITS_CHECK, free, Context.system())).allowed


async def test_a_policy_nobody_knows_does_not_limit(bus: Bus) -> None:
    asked = CheckLimits(hits=[Hit(policy="of a newer gateway", subject="x")])
    assert (await bus.request(LIMITS_CHECK, asked, Context.system())).allowed


async def test_two_hundred_clients_at_once_through_the_bus_admit_exactly_the_limit(
    bus: Bus, somebody: str
) -> None:
    limits = Limits(bus, PolicyFile(None), budget=5)
    found = await asyncio.gather(*(ask(limits, somebody) for _ in range(200)))
    assert sum(admitted for admitted, _ in found) == 10


async def test_two_gateways_share_one_count(bus: Bus, somebody: str) -> None:
    one, other = (Limits(bus, PolicyFile(None), budget=5) for _ in range(2))
    found = await asyncio.gather(
        *(ask(limits, somebody) for limits in (one, other) for _ in range(20))
    )
    assert sum(admitted for admitted, _ in found) == 10


async def test_a_refusal_is_remembered_and_nobody_asked(limits: Limits, somebody: str) -> None:
    for _ in range(10):
        await ask(limits, somebody)
    assert not (await ask(limits, somebody))[0]
    asked = limits._ask
    limits._ask = None  # type: ignore[assignment, method-assign]
    assert not (await ask(limits, somebody))[0]
    limits._ask = asked  # type: ignore[method-assign]


@pytest.mark.parametrize("trouble", ["stopped", "killed", "flushed"])
async def test_a_limiter_in_trouble_costs_no_time_and_no_exactness(
    servers: Servers, limits: Limits, redis: Redis, somebody: str, trouble: str
) -> None:
    assert (await ask(limits, somebody))[0]
    process = servers.processes["redis"]
    if trouble == "stopped":
        process.send_signal(signal.SIGSTOP)
    elif trouble == "killed":
        servers.kill("redis")
    else:
        await redis.flushall()
    try:
        found = [await ask(limits, somebody) for _ in range(60)]
    finally:
        if trouble == "stopped":
            process.send_signal(signal.SIGCONT)
        elif trouble == "killed":
            servers.start("redis")
    assert sum(admitted for admitted, _ in found) == 9
    assert sorted(seconds for _, seconds in found)[-6] < 5.0  # bench/limits.py has it precisely


async def test_after_trouble_the_count_is_exact_again(
    servers: Servers, bus: Bus, somebody: str
) -> None:
    limits = Limits(bus, PolicyFile(None), budget=0.5)
    servers.processes["redis"].send_signal(signal.SIGSTOP)
    try:
        for n in range(8):
            await ask(limits, f"{somebody}-{n}")
    finally:
        servers.processes["redis"].send_signal(signal.SIGCONT)
    end = time.monotonic() + 60
    while limits._breaker._failures:
        assert time.monotonic() < end
        await ask(limits, f"{somebody}-probe-{time.monotonic()}")
        await asyncio.sleep(0.1)
    limits._budget = 5  # from here on it is slow, not away
    fresh = Limits(bus, PolicyFile(None), budget=5)
    found = await asyncio.gather(
        *(ask(one, somebody) for one in (limits, fresh) for _ in range(15))
    )
    assert sum(admitted for admitted, _ in found) == 10


def test_a_file_that_is_not_valid_keeps_the_old_policies(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(json.dumps({"policies": {"chat": {"limit": 3}}}))
    policies = PolicyFile(path)
    path.write_text("{ not json")
    policies.refresh()
    found = policies.current.find("chat")
    assert found is not None
    assert found.limit == 3

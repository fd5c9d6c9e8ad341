"""Limits as a client meets them: exact over replicas, explained, changed live, calm in trouble."""

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from libs.common import calls
from libs.common.envelope import Context
from libs.common.limits import DEFAULTS
from services.gateway.routes import ROUTES
from tests.conftest import Servers
from tests.integration.gateway.conftest import Api, Reply, Start, World

SCRAPE = "/api/knowledge/scrape"
CRAWL = {"chatbotId": "bot_1", "url": "https://example.com"}
ADMITTED = 404  # the services behind know no such chatbot: the limiter let it through


async def crawl(api: Api, count: int) -> list[Reply]:
    return list(await asyncio.gather(*(api.post(SCRAPE, CRAWL) for _ in range(count))))


def admitted(replies: list[Reply]) -> int:
    statuses = [reply.status for reply in replies]
    assert set(statuses) <= {ADMITTED, 429}, statuses
    return statuses.count(ADMITTED)


async def test_two_hundred_clients_on_one_key_at_two_replicas_get_exactly_the_limit(
    start: Start,
) -> None:
    world = await start()
    other = await start(beside=world)
    there = Api(other.api.base, other.api.http, world.api.key)
    replies = await asyncio.gather(crawl(world.api, 100), crawl(there, 100))
    assert sum(admitted(found) for found in replies) == DEFAULTS["scrape"].limit


async def test_a_limited_answer_explains_itself(world: World) -> None:
    first = await world.api.post(SCRAPE, CRAWL)
    assert first.headers["RateLimit-Policy"] == '"scrape";q=10;w=300'
    assert first.headers["RateLimit"].startswith('"scrape";r=9;t=')
    assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == (
        "10",
        "9",
    )
    assert abs(int(first.headers["X-RateLimit-Reset"]) - time.time() - 300) < 60
    await crawl(world.api, 9)
    over = await world.api.post(SCRAPE, CRAWL)
    assert (over.status, over.code) == (429, "rate_limited")
    assert over.headers["RateLimit"].startswith('"scrape";r=0;t=')
    wait = int(over.headers["Retry-After"])
    assert 200 < wait <= 300
    assert over.body["error"]["details"] == {"policy": "scrape", "retryAfter": wait}


async def test_the_documented_three_and_the_rest_are_limited_by_default() -> None:
    assert (DEFAULTS["chat"].limit, DEFAULTS["chat"].window, DEFAULTS["chat"].scope) == (
        10,
        60,
        "ip",
    )
    for name, limit in (("scrape", 10), ("upload", 5)):
        policy = DEFAULTS[name]
        assert (policy.limit, policy.window, policy.scope) == (limit, 300, "user")
    for route in ROUTES:
        assert route.limits or route.tag == "Site", route.path
        assert set(route.limits) <= set(DEFAULTS), route.path


async def test_policies_change_while_it_runs_by_plan_and_only_for_show(
    world: World, tmp_path: Path
) -> None:
    await crawl(world.api, 10)
    assert admitted(await crawl(world.api, 3)) == 0
    _, business = await world.account_of("business")
    file = tmp_path / "limits.json"
    file.write_text(
        json.dumps(
            {
                "policies": {"scrape": {"limit": 12}, "webhook_test": {"limit": 1, "shadow": True}},
                "plans": {"business": {"scrape": {"limit": 2}}},
            }
        )
    )
    end = time.monotonic() + 60
    while (world.gateway.limits.policy("scrape", "enterprise")).limit != 12 or admitted(
        await crawl(world.api, 1)
    ) == 0:
        assert time.monotonic() < end
        await asyncio.sleep(0.3)
    assert admitted(await crawl(world.api, 5)) <= 1  # 12 in all
    assert admitted(await crawl(business, 5)) == 2
    shadowed = [await world.api.post("/api/webhooks/wh_1/test", {}) for _ in range(3)]
    assert [reply.status for reply in shadowed] == [404] * 3
    assert shadowed[-1].headers["X-RateLimit-Remaining"] == "0"


@pytest.mark.parametrize("trouble", ["stopped", "killed", "flushed", "scripts flushed"])
async def test_trouble_with_the_store_is_no_error_and_no_leak(
    servers: Servers, start: Start, trouble: str
) -> None:
    world = await start(limiter_budget=0.1)
    before = admitted(await crawl(world.api, 4))
    await make(trouble, servers)
    try:
        during = admitted([await world.api.post(SCRAPE, CRAWL) for _ in range(20)])
    finally:
        await mend(trouble, servers)
    assert (before, during) == (4, 6)
    assert admitted(await crawl(world.api, 5)) == 0


async def make(trouble: str, servers: Servers) -> None:
    if trouble == "stopped":
        servers.processes["redis"].send_signal(signal.SIGSTOP)
    elif trouble == "killed":
        servers.kill("redis")
    else:
        async with Redis.from_url(servers.redis_url) as client:
            await (client.flushall() if trouble == "flushed" else client.script_flush())


async def mend(trouble: str, servers: Servers) -> None:
    if trouble == "stopped":
        servers.processes["redis"].send_signal(signal.SIGCONT)
    elif trouble == "killed":
        servers.start("redis")


async def test_open_streams_are_bounded_by_address_and_in_all(start: Start) -> None:
    world = await start(max_streams=3, max_streams_per_ip=2)

    async def nothing(_: Context, __: Any) -> Any:
        return calls.LiveEvents(data=[], latest=0)

    world.behind.on[calls.LIVE_EVENTS.subject] = nothing
    here, there = world.somewhere(), world.somewhere()
    opened = []
    for api, status in ((here, 200), (here, 200), (here, 503), (there, 200), (there, 503)):
        headers = {**api.headers, "Authorization": f"Bearer {api.key}"}
        got = await api.http.get(f"{api.base}/api/inbox/events", headers=headers)
        assert got.status == status
        if status == 503:
            assert (await got.json())["error"]["code"] == "too_many_streams"
            assert got.headers["Retry-After"] == "5"
        else:
            opened.append(got)
    opened.pop(0).close()
    end = time.monotonic() + 60
    while world.gateway.streams._by_ip.total() > 2:
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    for got in opened:
        got.close()

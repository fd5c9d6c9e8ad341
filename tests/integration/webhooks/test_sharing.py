"""Fairness, limits, crashes: the others go on, nothing is lost, order stays."""

import asyncio
import json
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from libs.common import calls, events
from services.webhooks.store import deliveries, inbox, queue
from tests.conftest import Servers
from tests.integration.webhooks.conftest import Receiver, Webhooks


async def _publish_all(webhooks: Webhooks, found: list[events.Event]) -> None:
    async def one(event: events.Event) -> None:
        body = events.encode(event)
        await webhooks.bus.publish_durable(event.subject, body, message_id=event.id)

    by_key: dict[str, list[events.Event]] = defaultdict(list)
    for event in found:
        by_key[event.key].append(event)

    async def key(of_key: list[events.Event]) -> None:
        for event in of_key:
            await one(event)

    await asyncio.gather(*(key(of_key) for of_key in by_key.values()))


def _firsts(receiver: Receiver) -> dict[str, list[str]]:
    """Per conversation, the events in the order in which each was first received."""
    seen: dict[str, dict[str, None]] = defaultdict(dict)
    for request in receiver.requests:
        data = json.loads(request.body)["data"]
        seen[data["conversationId"]].setdefault(data["message"])
    return {key: list(messages) for key, messages in seen.items()}


async def test_two_replicas_share_the_work_and_keep_the_order(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start()
    await start()
    made = await webhooks.endpoint(receiver.url + "/hook")
    await _publish_all(
        webhooks,
        [webhooks.event(f"{n}", f"conv_{c}") for c in range(20) for n in range(10)],
    )

    await receiver.wait(200)
    while await _unfinished(webhooks):
        await asyncio.sleep(0.05)

    assert len(receiver.requests) == 200
    assert _firsts(receiver) == {f"conv_{c}": [f"{n}" for n in range(10)] for c in range(20)}
    stats = await webhooks.call(calls.WEBHOOK_STATS, calls.ById(id=made.id))
    assert (stats.total.succeeded, stats.total.pending) == (200, 0)


async def test_an_endpoint_that_hangs_does_not_hold_the_others(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start(webhook_timeout=30.0)
    over = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    receiver.answers["/hangs"] = hang
    await webhooks.endpoint(receiver.url + "/hangs")
    for number in range(5):
        await webhooks.endpoint(f"{receiver.url}/good{number}")
    await _publish_all(webhooks, [webhooks.event("x", f"conv_{n}") for n in range(100)])

    for number in range(5):
        await receiver.wait(100, f"/good{number}")

    assert 1 <= len(receiver.at("/hangs")) <= 4  # none was given up, they hang on
    over.set()


async def test_many_endpoints_that_wait_do_not_hide_one_that_is_due(
    webhooks: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "ENDPOINTS", 3)
    waiting = [await webhooks.endpoint(f"{receiver.url}/waits") for _ in range(8)]
    last = await webhooks.endpoint(receiver.url + "/hook")
    async with webhooks.db.system() as tx:
        for endpoint in waiting:
            await deliveries.add(tx, webhooks.context.account, endpoint.id, "new_message", "evt_x")
        await tx.execute("update deliveries set due_at = now() + interval '1 hour'")
        event = webhooks.event()
        await inbox.add(tx, [event])
        await deliveries.add(tx, webhooks.context.account, last.id, event.name, event.id)

    await receiver.wait(1)


async def test_a_rate_limit_holds_over_replicas(start: Any, receiver: Receiver) -> None:
    webhooks = await start()
    await start()
    await webhooks.endpoint(receiver.url + "/hook", rate_limit=20)
    await webhooks.endpoint(receiver.url + "/free")
    await _publish_all(webhooks, [webhooks.event("x", f"conv_{n}") for n in range(50)])

    await receiver.wait(50, "/free")
    times = [r.at for r in await receiver.wait(50)]

    assert times[-1] - times[0] > 1.5  # 50 at 20 a second take 2.4; each replica for itself, 1.2


async def test_what_a_gone_process_held_is_sent_by_another(start: Any, receiver: Receiver) -> None:
    webhooks = await start()
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish()
    await webhooks.delivered(made.id)
    async with webhooks.db.system() as tx:
        await tx.execute(
            "update deliveries set status = 'delivering', owner = 'req_dead',"
            " finished_at = null, due_at = now() + interval '1 hour'"
        )

    await receiver.wait(2)


async def test_who_lost_the_lease_takes_nothing_in_however_sure_of_it(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish("0")
    await receiver.wait(1)
    async with webhooks.db.system() as tx:
        await tx.execute(
            "update leases set owner = 'req_other', until = now() + interval '4 seconds'"
            " where name = 'intake'"
        )
    await webhooks.publish("1")
    await asyncio.sleep(1.0)
    assert len(receiver.requests) == 1

    await receiver.wait(2)  # once the other's has ended


async def test_a_wiped_stream_loses_nothing_that_is_published_again(
    servers: Servers, webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.endpoint(receiver.url + "/hook")
    known = [await webhooks.publish(f"{n}") for n in range(3)]
    await receiver.wait(3)

    await webhooks.bus.js.delete_stream("EVENTS")
    await asyncio.sleep(2.5)
    fresh = [webhooks.event(f"{n}") for n in (3, 4)]
    await _publish_all(webhooks, [*known, *fresh])

    await receiver.wait(5)
    await asyncio.sleep(0.3)
    assert _firsts(receiver) == {"conv_a": ["0", "1", "2", "3", "4"]}
    assert len(receiver.requests) == 5


async def test_a_backlog_drains_and_what_is_new_does_not_wait_for_it(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start(webhook_schedule="1.5s,1.5s,1.5s,1.5s")
    down = True

    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(0.005)
        return web.Response(status=503 if down else 200)

    receiver.answers["/hook"] = answer
    made = await webhooks.endpoint(receiver.url + "/hook")
    await _publish_all(webhooks, [webhooks.event("old", f"conv_{n}") for n in range(300)])
    await receiver.wait(50)
    down = False
    await webhooks.publish("new", "conv_new")
    end = time.monotonic() + 60
    while len(await _unfinished(webhooks)) and time.monotonic() < end:
        await asyncio.sleep(0.1)

    since = datetime.now(UTC) - timedelta(hours=1)
    assert await _unfinished(webhooks) == []
    assert await webhooks.deliveries(made.id, status="failed", from_=since) == []
    messages = [json.loads(r.body)["data"]["message"] for r in receiver.requests]
    assert messages.index("new") < len(messages) - 50


async def _unfinished(webhooks: Webhooks) -> list[Any]:
    async with webhooks.db.system() as tx:
        cursor = await tx.execute("select id from deliveries where finished_at is null")
        return await cursor.fetchall()

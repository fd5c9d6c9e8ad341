"""What is changed, erased, broken or replayed while deliveries are under way."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from libs.common import calls, events
from libs.common.ids import new_id
from tests.integration.webhooks.conftest import Receiver, Webhooks


def _messages(receiver: Receiver, path: str = "/hook") -> list[str]:
    return [json.loads(r.body)["data"]["message"] for r in receiver.at(path)]


async def test_what_was_claimed_for_an_endpoint_goes_where_it_is_now(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    held = asyncio.Event()

    async def hold(_: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    receiver.answers["/hook"] = hold
    made = await webhooks.endpoint(receiver.url + "/hook")
    for text in ("one", "two", "three"):
        await webhooks.publish(text)
    await receiver.wait(1)
    change = calls.UpdateWebhook(id=made.id, url=receiver.url + "/new")
    await webhooks.call(calls.WEBHOOK_UPDATE, change)
    await asyncio.sleep(0.1)
    held.set()

    await receiver.wait(2, "/new")

    assert _messages(receiver) == ["one"]
    assert _messages(receiver, "/new") == ["two", "three"]


async def test_a_redelivered_head_takes_along_what_waits_behind_it(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start(webhook_schedule="1h")
    down, all_there = True, asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await all_there.wait()
        return web.Response(status=503 if down else 200)

    receiver.answers["/hook"] = answer
    made = await webhooks.endpoint(receiver.url + "/hook")
    for text in ("one", "two", "three"):
        await webhooks.publish(text)
    await receiver.wait(1)
    while len(await webhooks.deliveries(made.id)) < 3:
        await asyncio.sleep(0.02)
    all_there.set()
    while len(waiting := await webhooks.deliveries(made.id, status="pending")) < 3:
        await asyncio.sleep(0.02)
    assert all(d.next_attempt_at > datetime.now(UTC) + timedelta(minutes=30) for d in waiting)
    down = False

    head = min(waiting, key=lambda delivery: delivery.id)
    await webhooks.call(calls.DELIVERY_REDELIVER, calls.ById(id=head.id))

    await receiver.wait(4)
    assert _messages(receiver) == ["one", "one", "two", "three"]


async def test_what_can_not_be_signed_is_logged_and_has_an_end(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start()
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.drain(1)
    async with webhooks.db.system() as tx:
        await tx.execute("update endpoints set secret = '\\x00000009'::bytea || secret")
    await start(webhook_schedule="0.1s")
    await webhooks.publish()

    delivery = (await webhooks.delivered(made.id, "failed"))[0]

    assert len(delivery.attempts) == 2
    assert "could not be signed" in str(delivery.attempts[0].error)
    assert receiver.requests == []


async def test_what_was_erased_is_not_replayed(webhooks: Webhooks, receiver: Receiver) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish("a secret")
    await webhooks.delivered(made.id)
    erase = calls.Erase(chatbot_id=webhooks.chatbot, job_id=new_id("job"))
    while not (await webhooks.call(calls.WEBHOOKS_ERASE, erase)).done:
        pass
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    wanted = calls.Replay(id=made.id, from_=now - hour, to=now + hour, status="all")

    assert (await webhooks.call(calls.WEBHOOK_REPLAY, wanted)).count == 0


async def test_a_secret_keeps_its_time_when_the_next_is_replaced_too(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    for _ in range(2):
        await webhooks.call(calls.WEBHOOK_ROTATE, calls.RotateSecret(id=made.id))
    await webhooks.publish()
    request = (await receiver.wait(1))[0]
    assert len(request.headers["webhook-signature"].split()) == 3

    await webhooks.call(calls.WEBHOOK_ROTATE, calls.RotateSecret(id=made.id, grace_hours=0))
    await webhooks.publish()
    request = (await receiver.wait(2))[1]
    assert len(request.headers["webhook-signature"].split()) == 1


async def test_an_event_that_can_not_be_stored_is_set_aside(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.endpoint(receiver.url + "/hook")
    bad = webhooks.event("bad", "conv\0")
    for event in (webhooks.event("one"), bad, webhooks.event("two")):
        subject = webhooks.event().subject
        await webhooks.bus.publish_durable(subject, events.encode(event), message_id=event.id)

    await receiver.wait(2)

    assert _messages(receiver) == ["one", "two"]


async def test_a_stream_that_lost_its_end_is_read_anew(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish("one")
    await webhooks.delivered(made.id)
    async with webhooks.db.system() as tx:
        await tx.execute("update positions set position = position + 1000000")

    await webhooks.publish("two")

    await receiver.wait(2)
    assert _messages(receiver) == ["one", "two"]


async def test_a_page_of_long_responses_still_comes(webhooks: Webhooks, receiver: Receiver) -> None:
    async def long(_: web.Request) -> web.Response:
        return web.Response(status=500, text="\x01" * 5_000, headers={"X-A": "a" * 400})

    receiver.answers["/hook"] = long
    made = await webhooks.endpoint(receiver.url + "/hook", ordering="none")
    for number in range(40):
        await webhooks.publish(conversation=f"conv_{number}")
    await webhooks.delivered(made.id, "failed", 40)

    page = await webhooks.deliveries(made.id)

    assert len(page) == 40
    assert page[0].attempts[0].response_body
    assert not page[-1].attempts[0].response_body
    whole = await webhooks.call(calls.DELIVERY_GET, calls.ById(id=page[-1].id))
    assert len(whole.attempts[0].response_body) == 2_000


async def test_old_deliveries_are_pruned_and_what_is_unfinished_stays(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start(
        webhook_upkeep_seconds=0.1, webhook_retention_days=3 / 86_400, webhook_schedule="1h"
    )
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish("taken")
    await webhooks.delivered(made.id)

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    receiver.answers["/hook"] = fail
    await webhooks.publish("waits")
    await receiver.wait(2)

    while len(left := await webhooks.deliveries(made.id)) != 1:
        await asyncio.sleep(0.05)
    await asyncio.sleep(3.5)
    left = await webhooks.deliveries(made.id)
    assert [d.status for d in left] == ["pending"]

"""An event that happens reaches the endpoints that want it: signed, in order, until it is taken."""

import asyncio
import hashlib
import hmac
import json
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from libs.common import calls, events
from tests.integration.webhooks.conftest import Receiver, Webhooks


async def test_an_event_is_delivered_signed(webhooks: Webhooks, receiver: Receiver) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook", headers={"X-Tenant": "seven"})
    event = await webhooks.publish("Hello, Jürgen")

    request = (await receiver.wait(1))[0]

    assert list(json.loads(request.body)) == ["event", "timestamp", "data"]
    assert json.loads(request.body)["data"] == {
        "conversationId": "conv_a",
        "chatbotId": webhooks.chatbot,
        "messageId": event.data.message_id,
        "message": "Hello, Jürgen",
        "sender": "visitor",
        "visitorId": "vis_a",
    }
    expected = hmac.new(made.secret.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Chattery-Signature"] == expected
    assert request.headers["X-Chattery-Event"] == "new_message"
    assert request.headers["webhook-id"] == event.id
    assert request.headers["X-Tenant"] == "seven"
    assert request.headers["content-type"] == "application/json"
    Webhook(made.secret).verify(request.body, dict(request.headers))
    delivery = (await webhooks.delivered(made.id))[0]
    assert request.headers["X-Chattery-Delivery"] == delivery.id
    assert delivery.attempts[0].status == 200
    assert delivery.attempts[0].response_body == "thanks"


async def test_a_failed_delivery_is_tried_again_with_the_same_id(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    left = [500, 302]

    async def answer(_: web.Request) -> web.Response:
        status = left.pop(0) if left else 204
        return web.Response(status=status, headers={"Location": "http://169.254.169.254/"})

    receiver.answers["/hook"] = answer
    made = await webhooks.endpoint(receiver.url + "/hook")
    event = await webhooks.publish()

    requests = await receiver.wait(3)

    assert {r.headers["webhook-id"] for r in requests} == {event.id}
    delivery = (await webhooks.delivered(made.id))[0]
    assert [a.status for a in delivery.attempts] == [500, 302, 204]
    assert delivery.attempts[1].error == "Redirects are not followed."


async def test_a_delivery_ends_with_the_schedule(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.answers["/hook"] = _always(503)
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish()

    delivery = (await webhooks.delivered(made.id, "failed"))[0]

    assert [a.status for a in delivery.attempts] == [503] * 4
    assert delivery.next_attempt_at is None


async def test_a_conversation_stays_in_order_and_does_not_block_another(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    failures = 2

    async def answer(request: web.Request) -> web.Response:
        nonlocal failures
        body = json.loads(await request.read())["data"]
        if body["conversationId"] == "conv_a" and failures:
            failures -= 1
            return web.Response(status=500)
        return web.Response()

    receiver.answers["/hook"] = answer
    made = await webhooks.endpoint(receiver.url + "/hook")
    for number in range(6):
        await webhooks.publish(f"{number}", "conv_a")
        await webhooks.publish(f"{number}", "conv_b")

    await webhooks.delivered(made.id, count=12)

    seen = [json.loads(r.body)["data"] for r in receiver.requests]
    first = list(dict.fromkeys(d["message"] for d in seen if d["conversationId"] == "conv_a"))
    other = [d["message"] for d in seen if d["conversationId"] == "conv_b"]
    assert first == other == [f"{n}" for n in range(6)]
    tries = [d["message"] for d in seen if d["conversationId"] == "conv_a"]
    assert tries == ["0", "0", *first]


async def test_without_ordering_a_conversation_does_not_wait_for_its_head(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start(webhook_schedule="1s,2s,4s,8s,16s")
    refuse = {"0"}

    async def answer(request: web.Request) -> web.Response:
        said = json.loads(await request.read())["data"]["message"]
        return web.Response(status=500 if said in refuse else 200)

    receiver.answers["/hook"] = answer
    made = await webhooks.endpoint(receiver.url + "/hook", ordering="none")
    for number in range(4):
        await webhooks.publish(f"{number}", "conv_a")

    await webhooks.delivered(made.id, count=3)
    refuse.clear()
    await webhooks.delivered(made.id, count=4)


async def test_events_are_chosen_by_name_and_chatbot(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.endpoint(receiver.url + "/feedback", events=["feedback_received"])
    await webhooks.endpoint(receiver.url + "/mine", chatbot_id=webhooks.chatbot)
    await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish("of another", chatbot_id="bot_other")
    await webhooks.publish("of mine")

    await receiver.wait(2)
    await receiver.wait(1, "/mine")

    assert [json.loads(r.body)["data"]["message"] for r in receiver.at("/mine")] == ["of mine"]
    assert receiver.at("/feedback") == []


async def test_an_event_published_twice_is_delivered_once(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    await webhooks.endpoint(receiver.url + "/hook")
    event = await webhooks.publish()
    body = events.encode(event)
    await webhooks.bus.publish_durable(event.subject, body, message_id="another")
    await webhooks.publish("the next")

    await receiver.wait(2)
    await asyncio.sleep(0.2)

    assert len(receiver.requests) == 2
    seen = await webhooks.call(calls.EVENTS_SEEN, calls.EventIds(ids=[event.id, "evt_other"]))
    assert seen.ids == [event.id]


def _always(status: int):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    return answer

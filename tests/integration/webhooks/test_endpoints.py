"""Endpoints and their deliveries, as their owner handles them."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from libs.common import calls
from libs.common.envelope import Context
from libs.common.errors import AppError
from libs.common.ids import new_id
from services.webhooks import mail
from tests.integration.webhooks.conftest import KEY, Receiver, Webhooks

STRANGER = Context(account="acc_stranger")


def _answers(status: int) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    return answer


async def _refused(work: Any) -> tuple[int, str]:
    with pytest.raises(AppError) as caught:
        await work
    return caught.value.wire_status, caught.value.wire_code


async def test_an_endpoint_is_made_read_changed_and_deleted(webhooks: Webhooks) -> None:
    made = await webhooks.endpoint("http://127.0.0.1:9/x", description="Our CRM")
    assert str(made.secret).startswith("whsec_")
    assert made.events == list(calls.EventName.__args__)
    assert made.enabled

    changed = await webhooks.call(
        calls.WEBHOOK_UPDATE,
        calls.UpdateWebhook(id=made.id, enabled=False, events=["escalation"], rate_limit=5),
    )
    assert (changed.enabled, changed.events, changed.rate_limit) == (False, ["escalation"], 5)
    assert changed.description == "Our CRM"
    listed = await webhooks.call(calls.WEBHOOKS_LIST, calls.ListWebhooks())
    assert [e.id for e in listed.data] == [made.id]

    await webhooks.call(calls.WEBHOOK_DELETE, calls.ById(id=made.id))
    gone = webhooks.call(calls.WEBHOOK_GET, calls.ById(id=made.id))
    assert await _refused(gone) == (404, "not_found")


async def test_another_account_finds_nothing(webhooks: Webhooks, receiver: Receiver) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish()
    delivery = (await webhooks.delivered(made.id))[0]
    by_id, since = calls.ById(id=made.id), datetime.now(UTC) - timedelta(hours=1)
    for endpoint, request in (
        (calls.WEBHOOK_GET, by_id),
        (calls.WEBHOOK_SECRET, by_id),
        (calls.WEBHOOK_DELETE, by_id),
        (calls.WEBHOOK_STATS, by_id),
        (calls.WEBHOOK_ROTATE, calls.RotateSecret(id=made.id)),
        (calls.WEBHOOK_UPDATE, calls.UpdateWebhook(id=made.id, enabled=False)),
        (calls.WEBHOOK_TEST, calls.TestWebhook(id=made.id)),
        (calls.WEBHOOK_REPLAY, calls.Replay(id=made.id, from_=since, to=datetime.now(UTC))),
        (calls.DELIVERIES_LIST, calls.ListDeliveries(id=made.id)),
        (calls.DELIVERY_GET, calls.ById(id=delivery.id)),
        (calls.DELIVERY_REDELIVER, calls.ById(id=delivery.id)),
    ):
        assert (await _refused(webhooks.call(endpoint, request, STRANGER)))[0] == 404, endpoint
    assert (await webhooks.call(calls.WEBHOOKS_LIST, calls.ListWebhooks(), STRANGER)).data == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "ftp://example.com/"}, "invalid_url"),
        ({"url": "https://user:pw@example.com/"}, "invalid_url"),
        ({"url": "https://10.1.2.3/"}, "invalid_url"),
        ({"url": "https://[::1]/"}, "invalid_url"),
        ({"url": "http://169.254.169.254/"}, "invalid_url"),
        ({"url": "https://2852039166/"}, "invalid_url"),
        ({"url": "http://93.184.215.14/"}, "invalid_url"),
        ({"url": "https://93.184.215.14/", "headers": {"Host": "x"}}, "invalid_headers"),
        ({"url": "https://93.184.215.14/", "headers": {"Webhook-Id": "x"}}, "invalid_headers"),
        ({"url": "https://93.184.215.14/", "chatbot_id": "bot_of_others"}, "not_found"),
    ],
)
async def test_what_can_not_be_delivered_to_is_refused(
    webhooks: Webhooks, fields: dict[str, Any], code: str
) -> None:
    assert (await _refused(webhooks.endpoint(**fields)))[1] == code


async def test_both_secrets_verify_while_one_replaces_the_other(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    rotated = await webhooks.call(calls.WEBHOOK_ROTATE, calls.RotateSecret(id=made.id))
    old, new = str(made.secret), str(rotated.secret)
    shown = await webhooks.call(calls.WEBHOOK_SECRET, calls.ById(id=made.id))
    assert (shown.secret, shown.previous_until is not None) == (new, True)
    await webhooks.publish()
    request = (await receiver.wait(1))[0]

    for secret, name in ((new, "X-Chattery-Signature"), (old, "X-Chattery-Signature-Previous")):
        expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
        assert request.headers[name] == expected
        Webhook(secret).verify(request.body, dict(request.headers))

    await webhooks.call(calls.WEBHOOK_ROTATE, calls.RotateSecret(id=made.id, grace_hours=0))
    await webhooks.publish()
    request = (await receiver.wait(2))[1]
    assert "X-Chattery-Signature-Previous" not in request.headers
    for secret in (old, new):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(request.body, dict(request.headers))


async def test_an_example_of_each_event_can_be_sent(webhooks: Webhooks, receiver: Receiver) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook", events=["escalation"])
    for event in calls.EventName.__args__:
        await webhooks.call(calls.WEBHOOK_TEST, calls.TestWebhook(id=made.id, event=event))

    requests = await receiver.wait(5)

    sent = {json.loads(r.body)["event"]: json.loads(r.body)["data"] for r in requests}
    assert set(sent) == set(calls.EventName.__args__)
    assert all("conversationId" in data for data in sent.values())


async def test_gone_disables_with_a_notice_and_enabling_starts_anew(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start(webhook_upkeep_seconds=0.1)
    receiver.answers["/hook"] = _answers(410)
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish()
    await webhooks.delivered(made.id, "failed")

    endpoint = await webhooks.call(calls.WEBHOOK_GET, calls.ById(id=made.id))
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "gone")
    notices = (await webhooks.call(calls.NOTICES_LIST, calls.Listing())).data
    assert [n.webhook_id for n in notices] == [made.id]
    tried = webhooks.call(calls.WEBHOOK_TEST, calls.TestWebhook(id=made.id))
    assert await _refused(tried) == (409, "endpoint_disabled")

    missed = calls.EventIds(ids=[(await webhooks.publish("missed")).id])
    while not (await webhooks.call(calls.EVENTS_SEEN, missed)).ids:
        await asyncio.sleep(0.05)
    del receiver.answers["/hook"]
    await webhooks.call(calls.WEBHOOK_UPDATE, calls.UpdateWebhook(id=made.id, enabled=True))
    since = datetime.now(UTC) - timedelta(hours=1)
    asked = calls.Replay(id=made.id, from_=since, to=since + timedelta(hours=2), status="all")
    assert (await webhooks.call(calls.WEBHOOK_REPLAY, asked)).count == 2
    requests = await receiver.wait(3)
    assert [json.loads(r.body)["data"]["message"] for r in requests[1:]] == ["Hello", "missed"]


async def test_an_endpoint_that_fails_for_days_is_disabled_and_each_owner_is_told_once(
    start: Any, receiver: Receiver, smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "FIRST_PAUSE", 0.1)
    webhooks = await start(
        webhook_upkeep_seconds=0.1,
        webhook_disable_after_hours=0.0001,
        webhook_schedule="30s",
        smtp_url=smtp.url,
    )

    async def owners(_: Context, __: calls.Owners) -> calls.OwnerAddresses:
        return calls.OwnerAddresses(
            emails=["ada@example.com", "gone@example.com", "busy@example.com"]
        )

    smtp.refuses = {
        "gone@example.com": "550 No such user",
        "busy@example.com": "451 Come again later",
    }

    await webhooks.bus.serve(calls.ACCOUNT_OWNERS, owners)
    receiver.answers["/hook"] = _answers(500)
    made = await webhooks.endpoint(receiver.url + "/hook")
    await webhooks.publish()

    await webhooks.delivered(made.id, "cancelled")

    endpoint = await webhooks.call(calls.WEBHOOK_GET, calls.ById(id=made.id))
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "failing")
    await smtp.wait(1)
    while smtp.asked["busy@example.com"] < 2:
        await asyncio.sleep(0.02)
    del smtp.refuses["busy@example.com"]
    mails = await smtp.wait(2)
    await asyncio.sleep(0.5)
    assert [to for to, _ in mails] == ["ada@example.com", "busy@example.com"]
    assert all(receiver.url in text for _, text in mails)
    assert (smtp.asked["ada@example.com"], smtp.asked["gone@example.com"]) == (1, 1)


async def test_a_delivery_is_sent_again_on_request(webhooks: Webhooks, receiver: Receiver) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    event = await webhooks.publish()
    delivery = (await webhooks.delivered(made.id))[0]

    queued = await webhooks.call(calls.DELIVERY_REDELIVER, calls.ById(id=delivery.id))

    assert queued.status in ("pending", "delivering")
    requests = await receiver.wait(2)
    assert [r.headers["webhook-id"] for r in requests] == [event.id, event.id]
    await webhooks.delivered(made.id)
    again = await webhooks.call(calls.DELIVERY_GET, calls.ById(id=delivery.id))
    assert len(again.attempts) == 2


async def test_statistics_count_what_happened(webhooks: Webhooks, receiver: Receiver) -> None:
    made = await webhooks.endpoint(receiver.url + "/hook")
    for number in range(3):
        await webhooks.publish(conversation=f"conv_{number}")
    await webhooks.delivered(made.id, count=3)

    stats = await webhooks.call(calls.WEBHOOK_STATS, calls.ById(id=made.id))

    assert (stats.total.succeeded, stats.total.failed, stats.total.pending) == (3, 0, 0)
    assert stats.total.last_success_at is not None
    assert sum(hour.succeeded for hour in stats.hours) == 3


async def test_a_chatbot_is_erased_with_all_that_was_sent(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    kept = await webhooks.endpoint(receiver.url + "/hook")
    mine = await webhooks.endpoint(receiver.url + "/mine", chatbot_id=webhooks.chatbot)
    await webhooks.publish("A secret thing")
    await webhooks.delivered(kept.id)

    request = calls.Erase(chatbot_id=webhooks.chatbot, job_id=new_id("job"))
    while not (await webhooks.call(calls.WEBHOOKS_ERASE, request)).done:
        pass

    gone = webhooks.call(calls.WEBHOOK_GET, calls.ById(id=mine.id))
    assert (await _refused(gone))[0] == 404
    assert await webhooks.deliveries(kept.id) == []
    async with webhooks.db.system() as tx:
        cursor = await tx.execute(
            "select count(*) as n from events where body <> '' and account_id = %s",
            (webhooks.context.account,),
        )
        assert await cursor.fetchone() == {"n": 0}


async def test_secrets_and_custom_headers_are_sealed_and_move_to_a_new_key(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start()
    token = {"Authorization": "Bearer t0ken"}
    made = await webhooks.endpoint(receiver.url + "/hook", headers=token)
    assert made.headers == token
    first = await _stored(webhooks)
    assert str(made.secret).encode() not in first["secret"]
    assert "t0ken" not in str(first["headers"])
    await webhooks.drain(5)

    webhooks = await start(keyring=f"{KEY},{KEY.replace('1:', '2:', 1)}")
    while (now := await _stored(webhooks))["secret"][:4] != b"\0\0\0\2":
        await asyncio.sleep(0.02)

    assert now["headers"].keys() == first["headers"].keys()
    assert now["headers"] != first["headers"]
    await webhooks.publish()
    request = (await receiver.wait(1))[0]
    Webhook(str(made.secret)).verify(request.body, dict(request.headers))
    assert request.headers["Authorization"] == "Bearer t0ken"


async def test_headers_stored_before_values_were_sealed_are_sealed_and_sent(
    start: Any, receiver: Receiver
) -> None:
    webhooks = await start()
    await webhooks.endpoint(receiver.url + "/hook")
    async with webhooks.db.system() as tx:
        await tx.execute('update endpoints set headers = \'{"X-Old": "plain"}\'')
    await webhooks.drain(5)

    webhooks = await start()
    await webhooks.publish()

    assert (await receiver.wait(1))[0].headers["X-Old"] == "plain"
    while "plain" in str((await _stored(webhooks))["headers"]):
        await asyncio.sleep(0.02)


async def _stored(webhooks: Webhooks) -> dict[str, Any]:
    async with webhooks.db.system() as tx:
        cursor = await tx.execute("select secret, headers from endpoints")
        row = await cursor.fetchone()
    assert row
    return {"secret": bytes(row["secret"]), "headers": row["headers"]}

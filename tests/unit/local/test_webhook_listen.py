"""The receiver of `make webhook-listen`."""

import time

import aiohttp
import pytest
from aiohttp import web

from deploy.local.webhook_listen import Listener, verify
from libs.common import events
from services.webhooks import signing
from services.webhooks.samples import sample

SECRET = signing.new_secret()


def request(secret: str = SECRET, age: int = 0) -> tuple[dict[str, str], bytes]:
    event = sample("escalation", "acc_a", "bot_a")
    body = events.payload(event)
    made = signing.headers(
        event=event.name,
        event_id=event.id,
        delivery="dlv_a",
        timestamp=int(time.time()) - age,
        body=body,
        keys=[secret],
    )
    return made, body


def test_it_says_what_is_wrong() -> None:
    headers, body = request()
    assert verify(headers, body, SECRET) == []
    assert len(verify(headers, body + b" ", SECRET)) == 2
    assert len(verify(headers, body, signing.new_secret())) == 2
    assert len(verify(*request(age=600), SECRET)) == 1
    assert len(verify({}, body, SECRET)) == 2


async def test_it_answers_as_told_and_prints_what_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listener = Listener(["500", "drop", "200"], 0.0, "7")
    listener.secret = SECRET
    app = web.Application()
    app.router.add_post("/", listener.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    headers, body = request()
    try:
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.post(url, data=body) as reply:
                assert (reply.status, reply.headers["Retry-After"]) == (500, "7")
            with pytest.raises(aiohttp.ClientError):
                await client.post(url, data=body)
            for _ in range(2):
                async with client.post(url, data=body) as reply:
                    assert reply.status == 200
    finally:
        await runner.cleanup()

    said = capsys.readouterr().out
    assert said.count("verified") == 4
    assert "(time 4)" in said
    assert "The visitor asked for a person." in said

"""Webhooks as an integrator and an operator handle them: the listener, a new key, the log."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from standardwebhooks import Webhook

from tests.conftest import ROOT, RunningStack
from tests.e2e.client import Api, Receiver

PATIENCE = 60.0  # seconds


@asynccontextmanager
async def _tool(stack: RunningStack, *argv: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *argv),
        cwd=ROOT,
        env={**os.environ, "CHATTERY_DATA": str(stack.data), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until(process: asyncio.subprocess.Process, wanted: str) -> str:
    """What it printed up to and with a text."""
    assert process.stdout
    said = ""
    async with asyncio.timeout(PATIENCE):
        while wanted not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
    return said


async def test_the_listener_shows_fails_and_verifies_what_comes(
    api: Api, stack: RunningStack
) -> None:
    bot = await api.chatbot()
    argv = ("deploy.local.webhook_listen", "--port", "0", "--answer", "500,200")
    async with _tool(stack, *argv) as listener:
        said = await _until(listener, "Added to the running stack")
        url = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert url
        await api.post(
            f"/api/chat/{bot}", {"message": "Hello?"}, headers={"Accept": "application/json"}
        )

        said = await _until(listener, "(time 2)")
        said += await _until(listener, "answered 200")

        assert "verified" in said
        assert "answered 500" in said
        assert "✗" not in said
        listed = (await api.get("/api/webhooks?limit=100")).body["data"]
        assert url.group() in {endpoint["url"] for endpoint in listed}
        listener.send_signal(signal.SIGINT)
        assert await listener.wait() == 0
    listed = (await api.get("/api/webhooks?limit=100")).body["data"]
    assert url.group() not in {endpoint["url"] for endpoint in listed}


async def test_a_new_key_seals_the_secrets_and_the_old_one_is_gone(
    api: Api, stack: RunningStack, receiver: Receiver
) -> None:
    made = (await api.post("/api/webhooks", {"url": receiver.url})).body
    before = _keyring(stack)

    async with _tool(stack, "deploy.local", "rotate-secrets") as rotating:
        async with asyncio.timeout(150):
            out, _ = await rotating.communicate()
        assert rotating.returncode == 0, out.decode()

    after = _keyring(stack)
    number = int(before.partition(":")[0])
    assert after.startswith(f"{number + 1}:")
    assert "," not in after
    shown = await _served(api, f"/api/webhooks/{made['id']}/secret")
    assert shown["secret"] == made["secret"]
    sent = await api.post(f"/api/webhooks/{made['id']}/test", {"event": "admin_reply"})
    assert sent.status == 202
    request = (await receiver.wait(1, "admin_reply"))[0]
    Webhook(made["secret"]).verify(request.body, dict(request.headers))


async def test_the_log_of_a_delivery_says_what_happened(api: Api, receiver: Receiver) -> None:
    made = (await api.post("/api/webhooks", {"url": receiver.url})).body
    receiver.answer = 410

    sent = await api.post(f"/api/webhooks/{made['id']}/test", {"event": "escalation"})

    delivery = await _delivery(api, sent.body["id"], "failed")
    assert [(a["status"], a["error"]) for a in delivery["attempts"]] == [(410, None)]
    assert delivery["attempts"][0]["responseHeaders"]["Content-Length"] == "0"
    found = (await api.get(f"/api/webhooks/{made['id']}")).body
    assert (found["enabled"], found["disabledReason"]) == (False, "gone")
    receiver.answer = 200
    path = f"/api/webhooks/deliveries/{sent.body['id']}/redeliver"
    assert (await api.post(path)).code == "endpoint_disabled"
    await api.call("PATCH", f"/api/webhooks/{made['id']}", {"enabled": True})
    assert (await api.post(path)).status == 202
    again = await _delivery(api, sent.body["id"], "succeeded")
    assert [a["status"] for a in again["attempts"]] == [410, 200]


def _keyring(stack: RunningStack) -> str:
    return json.loads((stack.data / "secrets.json").read_text())["keyring"]


async def _served(api: Api, path: str) -> Any:
    end = time.monotonic() + PATIENCE
    while (reply := await api.get(path)).status == 503:
        assert time.monotonic() < end
        await asyncio.sleep(0.2)
    assert reply.status == 200, reply.body
    return reply.body


async def _delivery(api: Api, id: str, status: str) -> Any:
    end = time.monotonic() + PATIENCE
    while (found := (await api.get(f"/api/webhooks/deliveries/{id}")).body)["status"] != status:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.1)
    return found

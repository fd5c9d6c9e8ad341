"""A gateway that is told to stop: refuses new streams, lets the running ones come to an end."""

import asyncio
import os
import signal
import time

import aiohttp

from tests.conftest import RunningStack
from tests.e2e.client import Answer, Api
from tests.e2e.test_killed import ready


async def test_a_gateway_told_to_stop_finishes_its_streams_and_refuses_new_ones(
    slow_api: Api, slow_stack: RunningStack
) -> None:
    bot = await slow_api.chatbot()
    await slow_api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    before = slow_stack.pids()["gateway"]
    answer = Answer()
    late: list[tuple[int, str | None]] = []

    async def stop_it() -> None:
        while len(answer.frames) < 2:
            await asyncio.sleep(0.01)
        os.kill(before, signal.SIGTERM)
        await asyncio.sleep(0.2)
        for method, path, body in (
            ("GET", "/readyz", None),
            ("POST", f"/api/chat/{bot}", {"message": "And another thing"}),
            ("GET", "/api/inbox/events", None),
            ("GET", "/api/me", None),
        ):
            late.append(await asked(slow_api, method, path, body))

    stopping = asyncio.create_task(stop_it())
    async for line in slow_api.lines(bot, "Please tell me where the office is", answer):
        answer.feed(line)
    await stopping

    assert answer.done
    assert answer.last["finishReason"] == "complete"
    assert late == [(503, None), (503, "1"), (503, "1"), (200, None)]
    end = time.monotonic() + 60
    while slow_stack.pids()["gateway"] == before:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    await ready(slow_api)


async def asked(api: Api, method: str, path: str, body: object) -> tuple[int, str | None]:
    """Status and Retry-After, over a connection of its own."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, api.base + path, json=body, headers=api.headers()) as got,
    ):
        assert got.headers["Connection"] == "close"
        return got.status, got.headers.get("Retry-After")

"""Conversations as they happen: live, caught up, internal things kept from visitors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest

from libs.common import calls
from libs.common.envelope import Context
from libs.common.errors import NotFound
from services.gateway import streams
from tests.integration.gateway.conftest import OPERATOR, Api, Start, World
from tests.integration.gateway.test_people import login

PATIENCE = 30.0  # seconds for anything to come about


class Conversations:
    """Plays the chat service's record of live events."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kept: list[calls.LiveEvent] = []
        world.behind.on[calls.LIVE_EVENTS.subject] = self.list

    async def list(self, ctx: Context, request: calls.ListLiveEvents) -> calls.LiveEvents:
        if ctx.account != self.world.account or request.id == "conv_else":
            raise NotFound
        after = request.after
        found = [] if after is None else [e for e in self.kept if e.seq > after]
        return calls.LiveEvents(data=found, latest=len(self.kept))

    async def happen(self, text: str, *, internal: bool = False, kept: bool = True) -> None:
        event = calls.LiveEvent(
            seq=len(self.kept) + 1 if kept else 0,
            event="message" if kept else "typing",
            conversation_id="conv_1",
            internal=internal,
            data={"text": text},
        )
        if kept:
            self.kept.append(event)
        subject = f"live.{self.world.account}.conv_1"
        await self.world.behind.bus.publish(subject, msgspec.json.encode(event))
        await self.world.behind.bus.client.flush(30)  # else who watches next hears it again


@pytest.fixture
def happening(world: World) -> Conversations:
    return Conversations(world)


@asynccontextmanager
async def watching(api: Api, path: str, **headers: str) -> AsyncIterator[aiohttp.StreamReader]:
    headers = {**api.headers, "Authorization": f"Bearer {api.key}", **headers}
    async with api.http.get(api.base + path, headers=headers) as got:
        assert got.status == 200
        assert got.headers["Content-Type"] == "text/event-stream"
        await got.content.readuntil(b"retry: 2000\n\n")
        yield got.content


async def event(stream: aiohttp.StreamReader) -> dict[str, str]:
    async with asyncio.timeout(PATIENCE):
        block = (await stream.readuntil(b"\n\n")).decode().strip()
    return dict(line.split(": ", 1) for line in block.split("\n"))  # type: ignore[misc]


async def test_events_arrive_as_they_happen_in_the_inbox_and_the_conversation(
    world: World, happening: Conversations
) -> None:
    async with (
        watching(world.api, "/api/inbox/events") as inbox,
        watching(world.api, "/api/conversations/conv_1/events") as one,
        watching(world.api, "/api/conversations/conv_2/events") as other,
    ):
        await happening.happen("Hello")
        expected = {"event": "message", "id": "1", "data": '{"text":"Hello"}'}
        assert await event(inbox) == expected
        assert await event(one) == expected
        await happening.happen("...", kept=False)
        assert await event(one) == {"event": "typing", "data": '{"text":"..."}'}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await other.readuntil(b"\n\n")


async def test_what_was_missed_is_caught_up_on_once(world: World, happening: Conversations) -> None:
    for number in range(3):
        await happening.happen(f"m{number}")
    path = "/api/conversations/conv_1/events"
    async with watching(world.api, path, **{"Last-Event-ID": "1"}) as stream:
        assert [(await event(stream))["id"] for _ in range(2)] == ["2", "3"]
        await happening.happen("m3")
        assert (await event(stream))["id"] == "4"


async def test_notes_are_kept_from_visitors(world: World, happening: Conversations) -> None:
    token, _ = world.gateway.visitors.make(world.account, "bot_1", "vis_1")
    visitor = world.api.with_(token)
    async with watching(visitor, "/api/conversations/conv_1/events") as stream:
        await happening.happen("between colleagues", internal=True)
        await happening.happen("for all")
        assert (await event(stream))["data"] == '{"text":"for all"}'
    denied = await visitor.get("/api/conversations/conv_else/events")
    assert denied.status == 404
    assert (await visitor.get("/api/inbox/events")).status == 401


async def test_a_conversation_id_is_no_wildcard(world: World, happening: Conversations) -> None:
    async with watching(world.api, "/api/conversations/*/events") as stream:
        await happening.happen("secret")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.readuntil(b"\n\n")


async def test_open_streams_are_bounded_and_freed(start: Any) -> None:
    world = await start(max_streams_per_ip=2)
    Conversations(world)
    here, there = world.somewhere(), world.somewhere()
    async with watching(here, "/api/inbox/events"), watching(here, "/api/inbox/events"):
        full = await here.get("/api/inbox/events")
        assert (full.status, full.code) == (503, "too_many_streams")
        async with watching(there, "/api/inbox/events"):
            pass
    async with asyncio.timeout(PATIENCE):
        while world.gateway.streams._open:
            await asyncio.sleep(0.05)
    async with watching(here, "/api/inbox/events"):
        pass


async def test_a_drain_ends_streams_so_that_they_are_resumed_elsewhere(
    world: World, happening: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.live.PING_EVERY", 0.2)
    assert world.service.drain is not None
    async with watching(world.api, "/api/inbox/events") as stream:
        await world.service.drain(PATIENCE)
        async with asyncio.timeout(PATIENCE):
            assert (await stream.read()).replace(b": ping\n\n", b"") == b""


async def test_knowledge_reaches_the_inbox_as_ingest_tells_it(
    api: Api, world: World, happening: Conversations
) -> None:
    told = {"event": "knowledge", "data": {"id": "kn_1", "status": "ready"}}
    async with watching(api, "/api/inbox/events") as stream:
        await world.behind.bus.publish(f"live.{world.account}.knowledge", msgspec.json.encode(told))
        await happening.happen("after it")

        async with asyncio.timeout(PATIENCE):
            first = await stream.readuntil(b"\n\n")
            second = await stream.readuntil(b"\n\n")

    assert first == b'event: knowledge\ndata: {"id":"kn_1","status":"ready"}\n\n'
    assert b"after it" in second


async def test_a_stream_that_crashes_is_cut_not_answered_twice(
    api: Api, world: World, happening: Conversations
) -> None:
    with pytest.raises(aiohttp.ClientError):
        async with watching(api, "/api/inbox/events") as stream, asyncio.timeout(60):
            await world.behind.bus.publish(f"live.{world.account}.conv_1", b"not json")
            while await stream.readany():
                pass


# -- who is let in no longer -----------------------------------------------------------------


async def ends(stream: aiohttp.StreamReader) -> None:
    """The stream comes to an end, by whichever way connections do."""
    async with asyncio.timeout(60):
        with suppress(aiohttp.ClientError):
            await stream.read()


async def test_the_streams_of_a_revoked_key_end_at_every_replica(
    world: World, start: Start, happening: Conversations
) -> None:
    other = await start(beside=world)
    key, api = await world.key(world.api, "conversations")
    there = Api(other.api.base, other.api.http, api.key)
    async with (
        watching(api, "/api/inbox/events") as here,
        watching(there, "/api/inbox/events") as beside,
        watching(world.api, "/api/inbox/events") as of_another_key,
    ):
        assert (await world.api("DELETE", f"/api/keys/{key}")).status == 204
        await ends(here)
        await ends(beside)
        await happening.happen("still here")
        assert "still here" in (await event(of_another_key))["data"]


async def test_the_streams_of_a_suspended_account_end_also_visitors(
    world: World, happening: Conversations
) -> None:
    chatbot = world.behind.chatbot(world.account)
    token, _ = world.gateway.visitors.make(world.account, chatbot, "vis_1")
    path = "/api/conversations/conv_1/events"
    async with watching(world.api.with_(token), path) as visitors:
        operator = world.api.with_(OPERATOR)
        await operator("PATCH", f"/api/accounts/{world.account}", {"name": "Renamed"})
        await happening.happen("still here")
        assert "still here" in (await event(visitors))["data"]
        await operator("PATCH", f"/api/accounts/{world.account}", {"status": "suspended"})
        await ends(visitors)


async def test_the_streams_of_a_session_that_was_ended_end_soon(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_AGAIN", 0.3)
    world = await start()
    Conversations(world)
    owner = await login(world.api)
    headers = {"Cookie": owner.headers["Cookie"]}
    async with owner.http.get(f"{owner.base}/api/inbox/events", headers=headers) as got:
        assert got.status == 200
        assert (await owner.post("/api/auth/logout")).status == 204
        await ends(got.content)

"""The outbox on a real database and stream: what was committed goes out, in order, until it is confirmed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import nats.js.errors
import pytest

from libs.common import calls, events, outbox, streams
from libs.common.app import end
from libs.common.bus import Bus
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.ids import new_id
from libs.common.outbox import Outbox

PATIENCE = 30.0  # seconds for anything to come about


@pytest.fixture
def account() -> str:
    return new_id("acc")


@pytest.fixture
async def forgetful(server: Bus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The stream takes an id again after 0.1 s.

    Made anew with that, and removed: a server (2.15) whose stream is given another window now and
    then goes by the one of before.
    """
    short = streams.STREAMS[streams.EVENTS].evolve(duplicate_window=0.1)
    monkeypatch.setitem(streams.STREAMS, streams.EVENTS, short)
    with suppress(nats.js.errors.NotFoundError):
        await server.js.delete_stream(streams.EVENTS)
    await streams.ensure(server.js, streams.EVENTS)
    yield
    await server.js.delete_stream(streams.EVENTS)


@pytest.fixture
async def box(db: Database, server: Bus) -> AsyncIterator[Outbox]:
    await streams.ensure(server.js, streams.EVENTS)
    box = Outbox(db, server, "chat")
    relay = asyncio.create_task(box.relay())
    yield box
    await end([relay], within=10)


def said(account: str, key: str, text: str) -> events.Event:
    data = events.NewMessage(
        conversation_id=key,
        chatbot_id="bot_1",
        message_id=new_id("msg"),
        message=text,
        sender="visitor",
        visitor_id="vis_1",
    )
    return events.make(data, account=account, chatbot="bot_1", key=key)


async def add(db: Database, box: Outbox, *items: events.Event) -> None:
    async with db.transaction(items[0].account_id) as tx:
        await box.add(tx, *items)


async def published(bus: Bus, account: str, count: int) -> list[events.Event]:
    """All that the stream has of an account, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while True:
            kept = await bus.replay(streams.EVENTS, f"events.{account}.>")
            if len(kept) >= count:
                return [events.decode(message.data) for message in kept]
            await asyncio.sleep(0.05)


def texts(found: list[events.Event]) -> list[str]:
    return [e.data.message for e in found if isinstance(e.data, events.NewMessage)]


async def test_what_was_rolled_back_never_happened(
    db: Database, box: Outbox, server: Bus, account: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction(account) as tx:
            await box.add(tx, said(account, "conv_1", "never"))
            raise ZeroDivisionError
    await add(db, box, said(account, "conv_1", "kept"))

    assert texts(await published(server, account, 1)) == ["kept"]


async def test_events_of_one_key_keep_their_order(
    db: Database, box: Outbox, server: Bus, account: str
) -> None:
    for n in range(20):
        pair = (said(account, key, f"{key}.{n}") for key in ("conv_a", "conv_b"))
        await add(db, box, *pair)
    found = texts(await published(server, account, 40))

    for key in ("conv_a", "conv_b"):
        assert [t for t in found if t.startswith(key)] == [f"{key}.{n}" for n in range(20)]


async def test_events_added_together_keep_their_order(
    db: Database, box: Outbox, server: Bus, account: str
) -> None:
    await add(db, box, *(said(account, "conv_1", f"{n}") for n in range(10)))
    async with db.transaction(account) as tx:
        await box.add(tx)  # none

    assert texts(await published(server, account, 10)) == [f"{n}" for n in range(10)]


async def test_two_relays_send_nothing_twice(
    db: Database, box: Outbox, server: Bus, account: str
) -> None:
    other = asyncio.create_task(Outbox(db, server, "chat").relay())
    for n in range(30):
        await add(db, box, said(account, "conv_1", f"{n}"))
    found = texts(await published(server, account, 30))
    await end([other], within=10)

    assert found == [f"{n}" for n in range(30)]


async def test_a_stream_that_was_lost_gets_all_that_nobody_confirmed_before_anything_new(
    db: Database, box: Outbox, server: Bus, account: str
) -> None:
    await add(db, box, *(said(account, "conv_1", f"old {n}") for n in range(3)))
    await published(server, account, 3)
    await server.js.delete_stream(streams.EVENTS)
    await add(db, box, said(account, "conv_1", "new"))

    assert texts(await published(server, account, 4)) == ["old 0", "old 1", "old 2", "new"]


@pytest.mark.usefixtures("forgetful")
async def test_what_the_consumer_never_saw_is_published_again_and_the_rest_forgotten(
    db: Database, box: Outbox, server: Bus, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "CONFIRM_AFTER", "0 seconds")
    monkeypatch.setattr(outbox, "RECONCILE_INTERVAL", 0.2)
    missing: set[str] = set()

    async def seen(_: Context, asked: calls.EventIds) -> calls.EventIds:
        return calls.EventIds(ids=[id for id in asked.ids if id not in missing])

    lost, arrived = said(account, "conv_1", "lost"), said(account, "conv_1", "arrived")
    missing.add(lost.id)
    await server.serve(calls.EVENTS_SEEN, seen)
    await add(db, box, lost, arrived)
    reconcile = asyncio.create_task(box.reconcile())
    again = texts(await published(server, account, 3))
    missing.clear()
    async with asyncio.timeout(PATIENCE):
        while await rows(db):
            await asyncio.sleep(0.05)
    await end([reconcile], within=10)

    assert again[:3] == ["lost", "arrived", "lost"]


async def rows(db: Database) -> int:
    async with db.system() as tx:
        cursor = await tx.execute("select count(*) as n from outbox")
        row = await cursor.fetchone()
    return row["n"] if row else 0

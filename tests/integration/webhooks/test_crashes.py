"""Processes and servers are killed in the middle of things: nothing is lost, order stays."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import web

from deploy.local.servers import free_port
from libs.common import calls, events
from libs.common.bus import Bus
from libs.common.config import CommonSettings
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.outbox import Outbox
from tests.conftest import ROOT, Servers, TestDatabase
from tests.integration.webhooks.checker import Arrived, Happened, check, succeeded
from tests.integration.webhooks.conftest import KEY, Receiver, Webhooks, callers

PATIENCE = 90.0  # seconds for anything to come about while servers are restarted
MESSAGES, CONVERSATIONS = 20, 15


class Process:
    """The service as it runs in production, to be killed."""

    def __init__(self, servers: Servers, url: str, log: Path) -> None:
        self._log = log
        self._env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NATS_URL": servers.nats_url_of("webhooks"),
            "DATABASE_URL": url,
            "CHATTERY_KEYRING": KEY,
            "CHATTERY_WEBHOOK_ALLOW": "127.0.0.1/32",
            "CHATTERY_WEBHOOK_SCHEDULE": ",".join(["0.3s"] * 40),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.webhooks"],
                cwd=ROOT,
                env={**self._env, "CHATTERY_HEALTH_PORT": str(free_port())},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def said(self) -> str:
        return self._log.read_text()[-3000:]


@pytest.fixture
async def world(
    servers: Servers, database: Callable[[str], TestDatabase], tmp_path: Path
) -> AsyncIterator[Any]:
    """Makes service processes, and gives their callers' side: ``(start, webhooks)``."""
    url = database("webhooks").url
    made: list[Process] = []

    def start() -> Process:
        process = Process(servers, url, tmp_path / f"webhooks-{len(made)}.log")
        made.append(process)
        process.start()
        return process

    async with AsyncExitStack() as stack:
        yield start, await callers(stack, servers, url)
        for process in made:
            process.kill()


async def until(done: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not await done():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def _endpoint(webhooks: Webhooks, url: str) -> calls.WebhookEndpoint:
    """Made as soon as a process serves."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await webhooks.endpoint(url)
        except AppError:
            assert time.monotonic() < end, "the service does not serve"


async def test_killed_before_the_send_after_it_and_after_the_2xx(
    world: Any, receiver: Receiver
) -> None:
    """What was not sent, not answered or not written down is sent again, under the same id."""
    start, webhooks = world
    first = start()
    hold = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await hold.wait()
        return web.Response()

    receiver.answers["/held"] = answer
    with _full_port() as port:
        made = [
            await _endpoint(webhooks, url)
            for url in (
                f"http://127.0.0.1:{port}/unsent",
                receiver.url + "/held",
                receiver.url + "/taken",
            )
        ]
        async with _outcomes_kept_out(webhooks, made[2].id):
            ids = [(await webhooks.publish(text)).id for text in ("one", "two")]
            await receiver.wait(1, "/held", patience=PATIENCE)
            await receiver.wait(1, "/taken", patience=PATIENCE)
            await until(lambda: _delivering(webhooks, made[0].id), first.said())
            await asyncio.sleep(0.3)
            first.kill()
    assert [await succeeded(webhooks.db, endpoint.id) for endpoint in made] == [set()] * 3
    # Nobody listens at the full port any more; what is claimed anew goes to the receiver.
    async with webhooks.db.system() as tx:
        await tx.execute(
            "update endpoints set url = %s where id = %s", (receiver.url + "/unsent", made[0].id)
        )
    hold.set()
    start()

    for endpoint in made:
        await until(lambda id=endpoint.id: _written(webhooks, id, 2), "two that succeeded")

    sent = {
        path: [r.headers["webhook-id"] for r in receiver.at(path)]
        for path in ("/unsent", "/held", "/taken")
    }
    assert sent["/unsent"] == ids
    assert sent["/held"] == [ids[0], *ids]
    assert list(dict.fromkeys(sent["/taken"])) == ids
    assert len(sent["/taken"]) > 2


async def _delivering(webhooks: Webhooks, endpoint: str) -> bool:
    async with webhooks.db.system() as tx:
        cursor = await tx.execute(
            "select 1 from deliveries where status = 'delivering' and endpoint_id = %s", (endpoint,)
        )
        return await cursor.fetchone() is not None


async def _written(webhooks: Webhooks, endpoint: str, count: int) -> bool:
    return len(await succeeded(webhooks.db, endpoint)) == count


@asynccontextmanager
async def _outcomes_kept_out(webhooks: Webhooks, endpoint: str) -> AsyncIterator[None]:
    """Holds the endpoint's row: what became of an attempt can't be written down."""
    async with await psycopg.AsyncConnection.connect(webhooks.url) as lock:
        await lock.execute("set search_path = webhooks")
        await lock.execute("set app.account = '*'")
        await lock.execute("select 1 from endpoints where id = %s for no key update", (endpoint,))
        yield
        await lock.rollback()


async def test_through_kills_restarts_and_a_wiped_stream_everything_arrives_in_order(
    servers: Servers, world: Any, database: Callable[[str], TestDatabase], receiver: Receiver
) -> None:
    """Two dispatchers; one is killed, Postgres is restarted, NATS loses its store; events go on."""
    start, webhooks = world
    processes = [start(), start()]

    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(random.uniform(0, 0.02))
        return web.Response(status=503 if random.random() < 0.05 else 200)

    receiver.answers["/hook"] = answer
    made = await _endpoint(webhooks, receiver.url + "/hook")

    async with _producer(servers, database("chat").url) as (db, outbox):
        producing = asyncio.create_task(_produce(webhooks, db, outbox))
        await receiver.wait(30, patience=PATIENCE)
        processes[0].kill()
        await receiver.wait(80, patience=PATIENCE)
        processes[0].start()
        await asyncio.to_thread(servers.kill, "postgres")
        servers.start("postgres")  # here: a server ends with the thread that started it
        await receiver.wait(140, patience=PATIENCE)
        await asyncio.to_thread(servers.kill, "nats")
        await asyncio.to_thread(shutil.rmtree, servers.stack.data / "nats" / "js")
        servers.start("nats")  # here: a server ends with the thread that started it
        happened = await producing
        wanted = {event.id for event in happened}

        async def all_written() -> bool:
            try:
                return wanted <= await succeeded(webhooks.db, made.id)
            except AppError:
                return False

        await until(all_written, processes[0].said() + processes[1].said())

    arrived = [
        Arrived(r.headers["webhook-id"], data["conversationId"], data["message"])
        for r in receiver.requests
        for data in [json.loads(r.body)["data"]]
    ]
    verdict = check(happened, arrived, await succeeded(webhooks.db, made.id))
    assert verdict.fine, verdict


@asynccontextmanager
async def _producer(servers: Servers, url: str) -> AsyncIterator[tuple[Database, Outbox]]:
    """An outbox as chat has it, whose relay runs."""
    async with AsyncExitStack() as stack:
        settings: Any = {"NATS_URL": servers.nats_url_of("chat")}
        bus = await stack.enter_async_context(Bus.open(CommonSettings(**settings), "chat"))
        db = await stack.enter_async_context(Database.open(url, schema="chat", service="chat"))
        outbox = Outbox(db, bus, "chat")
        tasks = [asyncio.create_task(outbox.relay()), asyncio.create_task(outbox.reconcile())]
        yield db, outbox
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5)


async def _produce(webhooks: Webhooks, db: Database, outbox: Outbox) -> list[Happened]:
    """Commits events at a steady pace; where the database is away the same again."""
    happened: list[Happened] = []
    for number in range(MESSAGES):
        for conversation in range(CONVERSATIONS):
            event = webhooks.event(f"{number}", f"conv_{conversation}")
            await _commit(db, outbox, event)
            happened.append(Happened(event.id, event.key, f"{number}"))
            await asyncio.sleep(0.01)
    return happened


async def _commit(db: Database, outbox: Outbox, event: events.Event) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            async with db.transaction(event.account_id) as tx:
                await tx.execute("select 1 from outbox where id = %s", (event.id,))
                await outbox.add(tx, event)
            return
        except psycopg.errors.UniqueViolation:  # it was committed, only the answer was lost
            return
        except AppError:
            assert time.monotonic() < end, "the database stays away"
            await asyncio.sleep(0.1)


class _full_port:  # noqa: N801  # reads as a function
    """A port that takes no more connections: who connects waits."""

    def __enter__(self) -> int:
        self._server = socket.socket()
        self._server.bind(("127.0.0.1", 0))
        self._server.listen(0)
        address = self._server.getsockname()
        self._filling = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self._filling.append(filler)
        time.sleep(0.1)
        return address[1]

    def __exit__(self, *_: object) -> None:
        for one in (*self._filling, self._server):
            one.close()

"""The webhooks service as it is built, on real servers, and an endpoint that notes what comes."""

import asyncio
import base64
import email.policy
import os
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP

from libs.common import calls, events
from libs.common.bus import Bus
from libs.common.config import CommonSettings
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.errors import NotFound
from libs.common.ids import new_id
from services.webhooks.service import Settings, build
from tests.conftest import Servers, TestDatabase
from tests.serving import serving, tasks_of
from tests.shapes import a_chatbot

PATIENCE = 30.0  # seconds for anything to come about
KEY = "1:" + base64.b64encode(os.urandom(32)).decode()


@dataclass(frozen=True)
class Received:
    path: str
    headers: Any
    body: bytes
    at: float


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """Answers 200 to everything, but on the paths for which a test says otherwise."""

    url: str = ""
    requests: list[Received] = field(default_factory=list[Received])
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(Received(request.path, request.headers.copy(), body, time.monotonic()))
        answer = self.answers.get(request.path)
        return await answer(request) if answer else web.Response(text="thanks")

    def at(self, path: str) -> list[Received]:
        return [r for r in self.requests if r.path == path]

    async def wait(self, count: int, path: str = "/hook", patience: float = PATIENCE) -> Any:
        end = time.monotonic() + patience
        while len(self.at(path)) < count:
            assert time.monotonic() < end, f"{len(self.at(path))} of {count} arrived"
            await asyncio.sleep(0.01)
        return self.at(path)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{name}", receiver.take)
    async with serving(app) as receiver.url:
        yield receiver


class Webhooks:
    """The running service, and the bus as its callers have it."""

    def __init__(self, bus: Bus, db: Database, url: str) -> None:
        self.bus = bus
        self.db = db
        self.url = url
        self.context = Context(account=new_id("acc"))
        self.chatbot = f"bot_{uuid.uuid4().hex}"
        self.drain: Any = None

    async def call(self, endpoint: Any, request: Any, context: Context | None = None) -> Any:
        return await self.bus.request(endpoint, request, context or self.context, timeout=PATIENCE)

    async def endpoint(self, url: str, **fields: Any) -> calls.WebhookEndpoint:
        return await self.call(calls.WEBHOOK_CREATE, calls.CreateWebhook(url=url, **fields))

    async def publish(
        self, text: str = "Hello", conversation: str = "conv_a", **fields: Any
    ) -> events.Event:
        event = self.event(text, conversation, **fields)
        await self.bus.publish_durable(event.subject, events.encode(event), message_id=event.id)
        return event

    def event(
        self, text: str = "Hello", conversation: str = "conv_a", **fields: Any
    ) -> events.Event:
        fields = {"sender": "visitor", "visitor_id": "vis_a", **fields}
        chatbot = fields.pop("chatbot_id", self.chatbot)
        data = events.NewMessage(conversation, chatbot, new_id("msg"), text, **fields)
        return events.make(data, account=self.context.account, chatbot=chatbot, key=conversation)

    async def deliveries(self, endpoint: str, **fields: Any) -> list[calls.Delivery]:
        request = calls.ListDeliveries(id=endpoint, limit=100, **fields)
        return (await self.call(calls.DELIVERIES_LIST, request)).data

    async def delivered(
        self, endpoint: str, status: str = "succeeded", count: int = 1, patience: float = PATIENCE
    ) -> list[calls.Delivery]:
        """The deliveries with a status, once there are so many."""
        end = time.monotonic() + patience
        while len(found := await self.deliveries(endpoint, status=status)) < count:
            assert time.monotonic() < end, await self.deliveries(endpoint)
            await asyncio.sleep(0.03)
        return found


Start = Callable[..., Any]


@pytest.fixture
async def start(servers: Servers, database: Callable[[str], TestDatabase]) -> AsyncIterator[Start]:
    """Starts the service; a second call starts another replica of it."""
    async with AsyncExitStack() as stack:
        url = database("webhooks").url
        made: list[Webhooks] = []

        async def begin(**settings: Any) -> Webhooks:
            wanted: dict[str, Any] = {
                "NATS_URL": servers.nats_url_of("webhooks"),
                "DATABASE_URL": url,
                "keyring": KEY,
                "webhook_allow": "127.0.0.1/32",
                "webhook_schedule": "0.2s,0.4s,0.4s",
                **settings,
            }
            service = await build(Settings(**wanted), stack)
            await stack.enter_async_context(tasks_of(service))
            if not made:
                made.append(await callers(stack, servers, url))
            made[0].drain = service.drain
            return made[0]

        yield begin


async def callers(stack: AsyncExitStack, servers: Servers, url: str) -> Webhooks:
    bus = await stack.enter_async_context(
        Bus.open(CommonSettings(NATS_URL=servers.nats_url), "test")  # pyright: ignore[reportCallIssue]
    )
    db = await stack.enter_async_context(
        Database.open(url, schema="webhooks", service="webhooks", size=2)
    )
    webhooks = Webhooks(bus, db, url)

    async def chatbot(context: Context, request: calls.ById) -> Any:
        if (context.account, request.id) != (webhooks.context.account, webhooks.chatbot):
            raise NotFound
        return CHATBOT

    await bus.serve(calls.CHATBOT_GET, chatbot)
    return webhooks


CHATBOT = a_chatbot("bot_x")


@pytest.fixture
async def webhooks(start: Start) -> Webhooks:
    return await start()


class Smtp:
    """A mail server that keeps what it takes; ``refuses`` says what it answers to some addresses."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []  # to, text
        self.refuses: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.url = ""

    async def handle_RCPT(  # noqa: N802  # named by aiosmtpd
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        self.asked[address] += 1
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        text = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((envelope.rcpt_tos[0], text.get_content()))
        return "250 taken"

    async def wait(self, count: int) -> list[tuple[str, str]]:
        end = time.monotonic() + PATIENCE
        while len(self.mails) < count:
            assert time.monotonic() < end, f"{len(self.mails)} of {count} mails came"
            await asyncio.sleep(0.02)
        return self.mails


@pytest.fixture
async def smtp() -> AsyncIterator[Smtp]:
    smtp = Smtp()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(smtp, enable_SMTPUTF8=True), "127.0.0.1", 0
    )
    smtp.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield smtp
    server.close()

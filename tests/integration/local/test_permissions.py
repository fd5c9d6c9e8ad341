"""What the users of the real NATS may do."""

import asyncio
from collections.abc import Awaitable, Callable

import nats
import nats.errors
import nats.micro
import pytest

from deploy.local.secrets import SERVICES

Connect = Callable[[str], Awaitable[tuple[nats.NATS, list[str]]]]


@pytest.fixture
async def connect(servers):
    """Connects as a service; what the server objected to is collected beside."""
    opened: list[nats.NATS] = []

    async def as_user(service: str) -> tuple[nats.NATS, list[str]]:
        objections: list[str] = []

        async def object_(exc: Exception) -> None:
            objections.append(str(exc))

        client = await nats.connect(
            servers.nats_url_of(service), inbox_prefix=f"_INBOX.{service}", error_cb=object_
        )
        opened.append(client)
        return client, objections

    yield as_user
    for client in opened:
        await client.close()


async def objected(client: nats.NATS, objections: list[str]) -> bool:
    await client.flush()
    for _ in range(3_000):
        if objections:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_request_is_answered_between_two_services(connect: Connect) -> None:
    chat, chat_objections = await connect("chat")
    gateway, gateway_objections = await connect("gateway")

    async def answer(message) -> None:
        await message.respond(b"done")

    await chat.subscribe("chat.chatbots.list", cb=answer)
    await chat.flush()

    reply = await gateway.request("chat.chatbots.list", b"{}", timeout=5)

    assert reply.data == b"done"
    assert chat_objections == gateway_objections == []


@pytest.mark.parametrize(
    ("service", "subject"),
    [
        ("chat", "webhooks.>"),
        ("webhooks", "chat.>"),
        ("ratelimit", "events.>"),
        ("ingest", "_INBOX.gateway.>"),
        ("gateway", ">"),
    ],
)
async def test_a_service_can_not_listen_in(connect: Connect, service: str, subject: str) -> None:
    client, objections = await connect(service)
    await client.subscribe(subject)
    assert await objected(client, objections)


@pytest.mark.parametrize(
    ("service", "subject"),
    [
        ("ratelimit", "chat.chatbots.delete"),
        ("webhooks", "chat.chatbots.delete"),
        ("ingest", "webhooks.endpoints.secret"),
        ("webhooks", "ingest.jobs.x"),
        ("chat", "$JS.API.STREAM.DELETE.EVENTS"),
    ],
)
async def test_a_service_can_not_say_what_is_not_its_business(
    connect: Connect, service: str, subject: str
) -> None:
    client, objections = await connect(service)
    await client.publish(subject, b"{}")
    assert await objected(client, objections)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_may_be_a_micro_service(connect: Connect, service: str) -> None:
    client, objections = await connect(service)
    micro = await nats.micro.add_service(client, name=f"chattery-{service}", version="0.1.0")
    await client.flush()
    await asyncio.sleep(0.05)
    assert objections == []
    await micro.stop()


async def test_a_wrong_password_is_refused(servers) -> None:
    wrong = servers.nats_url_of("chat").replace("chat:", "chat:x")
    with pytest.raises((nats.errors.Error, OSError)):
        await nats.connect(wrong, allow_reconnect=False, connect_timeout=2)

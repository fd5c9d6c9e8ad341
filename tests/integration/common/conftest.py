"""Two sides of a bus on the real server, under a name of their own."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from libs.common.bus import Bus
from libs.common.config import CommonSettings
from libs.common.db import Database
from libs.common.envelope import Context
from tests.conftest import Servers, TestDatabase


def settings(servers: Servers) -> CommonSettings:
    return CommonSettings(NATS_URL=servers.nats_url)  # pyright: ignore[reportCallIssue]


@pytest.fixture
def name() -> str:
    """A name that no other test uses: of a service, a durable consumer, a subject."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def server(servers: Servers, name: str, opened: AsyncExitStack) -> Bus:
    return await opened.enter_async_context(Bus.open(settings(servers), name))


@pytest.fixture
async def caller(servers: Servers, name: str, opened: AsyncExitStack) -> Bus:
    return await opened.enter_async_context(Bus.open(settings(servers), f"{name}-caller"))


@pytest.fixture
def context() -> Context:
    return Context(account="acc_test")


@pytest.fixture
def place(database: Callable[[str], TestDatabase]) -> TestDatabase:
    """A database with the schema of chat."""
    return database("chat")


@pytest.fixture
async def db(place: TestDatabase) -> AsyncIterator[Database]:
    async with Database.open(place.url, schema="chat", service="test", size=4) as opened:
        yield opened

"""Clients that dawdle are cut off, and the others never notice."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from libs.common import calls
from libs.common.envelope import Context
from services.gateway import body, server, streams, uploads
from tests.integration.gateway.conftest import World, page
from tests.shapes import a_chatbot

SLOW = 100  # clients of a kind at once
PATIENCE = 60.0  # seconds for the server to lose its own


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT", 0.5)
    monkeypatch.setattr(server, "READ_TIMEOUT", 0.5)
    monkeypatch.setattr(server, "SWEEP_EVERY", 0.1)
    monkeypatch.setattr(body, "PART_TIMEOUT", 0.5)
    monkeypatch.setattr(uploads, "PART_TIMEOUT", 0.5)
    monkeypatch.setattr(streams, "WRITE_TIMEOUT", 0.5)


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def slow(world: World) -> AsyncIterator[list[Connection]]:
    """Many open connections that have said nothing yet."""
    opened = [await connect(world) for _ in range(SLOW)]
    yield opened
    for _, writer in opened:
        writer.close()


async def connect(world: World, *, receives: int = 0) -> Connection:
    """A connection; ``receives`` is how many bytes its system takes in unread."""
    sock = socket.socket()
    if receives:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.gateway.port))
    return await asyncio.open_connection(sock=sock, limit=1024)


async def send(connections: list[Connection], data: bytes) -> None:
    for _, writer in connections:
        writer.write(data)


async def all_are_cut(connections: list[Connection]) -> bytes:
    """What each was told before its end, which comes."""

    async def end(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read()
        except ConnectionError:
            return b""

    async with asyncio.timeout(PATIENCE):
        told = await asyncio.gather(*(end(reader) for reader, _ in connections))
    assert len(set(told)) == 1 or all(b"408" in said for said in told)
    return told[0]


async def test_heads_that_drip_are_cut_and_harm_nobody(
    world: World, slow: list[Connection]
) -> None:
    await send(slow, b"GET /api/me HTTP/1.1\r\n")
    for number in range(3):
        await send(slow, b"X-Header-%d: x\r\n" % number)
        assert (await world.api.get("/api/me")).status == 200
    assert await all_are_cut(slow) == b""


async def test_the_head_of_a_later_request_has_no_more_time_than_the_first(world: World) -> None:
    reader, writer = await connect(world)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        assert b"200 OK" in await reader.readline()
        await reader.readuntil(b"ok\n")
        writer.write(b"GET /livez HT")
        assert await reader.read() == b""
    writer.close()


async def test_bodies_that_stop_are_refused_and_harm_nobody(
    world: World, slow: list[Connection]
) -> None:
    head = f"POST /api/chatbots HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.api.key}\r\n"
    head += 'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name"'
    await send(slow, head.encode())
    assert (await world.api.get("/api/me")).status == 200
    assert (await all_are_cut(slow)).startswith(b"HTTP/1.1 408")


async def test_an_upload_that_stops_is_refused(world: World) -> None:
    reader, writer = await connect(world)
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello'
    head = "POST /api/knowledge/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
    head += f"Authorization: Bearer {world.api.key}\r\n"
    writer.write(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n{part}".encode())
    async with asyncio.timeout(PATIENCE):
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_who_does_not_read_a_large_answer_is_cut_and_harms_nobody(world: World) -> None:
    async def many(_: Context, __: object) -> object:
        return page(*(a_chatbot(f"bot_{n}", name="x" * 200) for n in range(100)))

    world.behind.on[calls.CHATBOTS_LIST.subject] = many
    request = (
        f"GET /api/chatbots HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.api.key}\r\n\r\n"
    )
    lazy = [await connect(world, receives=2_048) for _ in range(10)]
    await send(lazy, request.encode() * 200)
    assert (await world.api.get("/api/me")).status == 200
    end = asyncio.get_running_loop().time() + PATIENCE
    while not all(writer.transport.is_closing() for _, writer in lazy):
        assert asyncio.get_running_loop().time() < end, "a client that never reads was kept"
        await send(lazy, b"\r\n")  # what is cut says so to whoever writes on
        await asyncio.sleep(0.1)
    assert (await world.api.get("/api/me")).status == 200


async def test_idle_connections_make_room_when_it_gets_crowded(
    start: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDLE_IN_A_CROWD", 0.2)
    world: World = await start(max_connections=20)  # type: ignore[operator]
    idle = [await connect(world) for _ in range(18)]
    for reader, writer in idle:
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"ok\n")
    async with asyncio.timeout(PATIENCE):
        assert await idle[0][0].read() == b""  # who has been idle longest, if not all
    assert (await world.api.get("/api/me")).status == 200
    for _, writer in idle:
        writer.close()


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(world: World) -> None:
    reader, writer = await connect(world)
    content = b'{"name": "Patient"}'
    head = f"POST /api/chatbots HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.api.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(content)
        assert b"201 Created" in await reader.readline()
    writer.close()


async def test_who_is_refused_is_not_asked_for_its_body(world: World) -> None:
    reader, writer = await connect(world)
    head = "POST /api/chatbots HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        assert b"401" in await reader.readline()
    writer.close()

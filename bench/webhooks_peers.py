"""The other ends of the webhooks benchmark, each in a process of its own.

``receive`` takes requests as cheaply as Python can and tells what came; ``bare`` signs and POSTs
with the service's client and nothing else: the floor.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from typing import cast

import aiohttp
import uvloop

from libs.common import events
from services.webhooks import signing
from services.webhooks.samples import sample
from services.webhooks.sender import Sender
from services.webhooks.targets import Targets

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
HANG = 30.0  # seconds

arrivals: dict[str, list[tuple[str, float, bytes]]] = defaultdict(list)  # by path


class Receiver(asyncio.Protocol):
    """HTTP/1.1 as far as a well-behaved client needs it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            at = head.lower().find(b"content-length: ")
            length = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if method == "GET":
            told = json.dumps([(i, t, b.decode()) for i, t, b in arrivals.pop(path, [])]).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told))
            self._transport.write(told)
            return
        if method == "HEAD":
            count = len(arrivals[path])
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nX-Count: %d\r\nContent-Length: 0\r\n\r\n" % count
            )
            return
        at = head.find(b"webhook-id: ")
        id = head[at + 12 :].split(b"\r\n", 1)[0].decode()
        arrivals[path].append((id, time.monotonic(), body if path.startswith("/kept") else b""))
        if path.startswith("/hang"):
            asyncio.get_running_loop().call_later(HANG, self._transport.write, OK)
        else:
            self._transport.write(OK)


async def receive(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


async def bare(url: str, count: int, concurrency: int, paths: int) -> None:
    """Prints posts a second."""
    event = sample("new_message", "acc_a", "bot_a")
    body, secret, left = events.payload(event), signing.new_secret(), count

    async def worker(sender: Sender) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            headers = signing.headers(
                event=event.name,
                event_id=event.id,
                delivery="dlv_a",
                timestamp=int(time.time()),
                body=body,
                keys=[secret],
            )
            answer = await sender.send(f"{url}/bare{left % paths}", headers, body)
            assert answer.succeeded, answer.attempt.error

    async with Sender.open(Targets(("127.0.0.1/32",), http=False)) as sender:
        started = time.perf_counter()
        await asyncio.gather(*(worker(sender) for _ in range(concurrency)))
        print(count / (time.perf_counter() - started))


async def arrived(session: aiohttp.ClientSession, url: str) -> list[tuple[str, float, str]]:
    """What came at a path since it was last asked: id, when (monotonic), body."""
    async with session.get(url) as reply:
        return [tuple(one) for one in await reply.json(content_type=None)]


async def counted(session: aiohttp.ClientSession, url: str) -> int:
    async with session.head(url) as reply:
        return int(reply.headers["X-Count"])


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        main = receive(int(sys.argv[2]))
    else:
        main = bare(sys.argv[2], *(int(text) for text in sys.argv[3:6]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)

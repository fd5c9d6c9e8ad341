"""A network between the browser and the gateway that can break, or stand still, mid-answer."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK = 64 << 10  # bytes
ANSWER = b"id: ans_"  # of an answer's frames; live events have none
FRAME = b"data: "
_addresses = itertools.count(1)


class Network:
    """Passes bytes on. ``cuts`` answers yet to be broken after a frame; ``hold`` keeps the next
    one's first frame back, ``hold_rest`` what follows it, until ``released``.

    It comes from a loopback address of its own, so that no visitor uses up another one's limits.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        number = next(_addresses)
        self._from = (f"127.66.{number // 250}.{number % 250 + 1}", 0)
        self.url = ""
        self.cuts = 0
        self.broken = 0
        self.hold = False
        self.hold_rest = False
        self.released = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, target: str) -> AsyncIterator["Network"]:
        network = cls(target)
        server = await asyncio.start_server(network._connect, "127.0.0.1", 0)
        network.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield network
        finally:
            network.released.set()
            server.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._target, local_addr=self._from)
        back = asyncio.create_task(self._pass(up_reader, writer, answers=True))
        try:
            await self._pass(reader, up_writer, answers=False)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            up_writer.close()
            writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        try:
            while data := await reader.read(CHUNK):
                if answers and ANSWER in data and FRAME in data:
                    if self.cuts:
                        self.cuts -= 1
                        self.broken += 1
                        writer.write(_first_frame(data))
                        await writer.drain()
                        break
                    if self.hold:
                        self.hold = False
                        await self.released.wait()
                    elif self.hold_rest:
                        self.hold_rest = False
                        first = _first_frame(data)
                        writer.write(first)
                        await self.released.wait()
                        data = data[len(first) :]
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


def _first_frame(data: bytes) -> bytes:
    """Up to the end of it; what follows within a chunk is left to the next write."""
    return data[: data.index(b"\n\n", data.index(FRAME)) + 2]

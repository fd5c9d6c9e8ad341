"""Looking names up, in threads of our own.

The event loop has four to six threads for look-ups, and what is looked up here is chosen by
others: a few name servers that never answer would keep all of them, and with them every
delivery, and the way back to our own servers.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 256  # made when there is something to do

Info = tuple[Any, ...]  # as of socket.getaddrinfo


class Names(AbstractResolver):
    """A resolver for aiohttp, and for whoever wants to know where a name leads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")

    async def look_up(
        self,
        host: str,
        port: int,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        flags: socket.AddressInfo | int = 0,
    ) -> Sequence[Info]:
        """Raises `OSError` for a name that leads nowhere."""

        def ask() -> Sequence[Info]:
            return socket.getaddrinfo(
                host, port, family=family, type=socket.SOCK_STREAM, flags=flags
            )

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=found,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, _, proto, _, address in await self.look_up(
                host, port, family, socket.AI_ADDRCONFIG
            )
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

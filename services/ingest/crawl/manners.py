"""How often a host is asked: a bound on requests at once and a pause between them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

AT_ONCE = 4  # requests to one host in this process
KEPT = 10_000  # hosts


class _Host:
    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.next_at = 0.0


class Manners:
    """Shared by all crawls of the process: two crawls of one host share its bounds."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, url: str, asked: float = 0.0) -> AsyncIterator[None]:
        """Wait for a turn at the URL's host; ``asked`` is the pause its robots.txt asks for."""
        host = self._host(urlsplit(url).netloc)
        async with host.slots:
            now = time.monotonic()
            at = max(now, host.next_at)
            host.next_at = at + max(self._delay, asked)
            if at > now:
                await asyncio.sleep(at - now)
            yield

    def _host(self, name: str) -> _Host:
        if name not in self._hosts:
            if len(self._hosts) >= KEPT:
                self._hosts.clear()
            self._hosts[name] = _Host()
        return self._hosts[name]

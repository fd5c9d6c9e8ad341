"""Open event streams: how many, who writes to them, and how they end."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from prometheus_client import Gauge

from libs.common.errors import AppError, Forbidden, Unauthorized
from services.gateway.call import Call
from services.gateway.clientip import counted
from services.gateway.errors import Draining, TooManyStreams
from services.gateway.keys import Revocation

PING_EVERY = 8.0  # seconds of silence
WRITE_TIMEOUT = 20.0  # seconds a reader may take for what was written
LOOK_TIMEOUT = 3.0  # seconds for one
LOOK_AGAIN = 15.0  # seconds until it is asked whether they may still be open
BUFFER = 64 << 10  # bytes that may wait for a slow reader in the socket's own buffer

STREAMS = Gauge("chattery_gateway_streams", "Open event streams", ["kind"])


class Streams:
    """A bound on open streams, in all and for each address; refuses new ones while draining."""

    def __init__(self, most: int, most_per_ip: int) -> None:
        self._most = most
        self._most_per_ip = most_per_ip
        self._by_ip: Counter[str] = Counter()
        self._open: dict[asyncio.Task[object], Call] = {}
        self._revoked: list[Revocation] = []
        self._wake = asyncio.Event()
        self.draining = asyncio.Event()

    @asynccontextmanager
    async def slot(self, call: Call, kind: str) -> AsyncIterator[None]:
        """Hold a place for the length of the block. Cancels it when the client is gone."""
        if self.draining.is_set():
            raise Draining(retry_after=1)
        ip = counted(call.ip)
        if len(self._open) >= self._most or self._by_ip[ip] >= self._most_per_ip:
            raise TooManyStreams(retry_after=5)
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = call
        self._by_ip[ip] += 1
        STREAMS.labels(kind).inc()
        call.request.protocol.watch(task)  # type: ignore[attr-defined]  # see server.Protocol
        try:
            yield
        finally:
            del self._open[task]
            self._by_ip[ip] -= 1
            if not self._by_ip[ip]:
                del self._by_ip[ip]
            STREAMS.labels(kind).dec()

    async def drain(self, grace: float) -> None:
        """Refuse new streams and wait for the open ones; those left end resumable."""
        self.draining.set()
        if self._open:
            _, late = await asyncio.wait(set(self._open), timeout=grace)
            for task in late:
                task.cancel()

    # -- whether they may be open still ------------------------------------------------------

    def revoked(self, revocation: Revocation) -> None:
        """Have those it is about looked at, at once."""
        self._revoked.append(revocation)
        self._wake.set()

    async def watch(self) -> None:
        """End the streams of those who would not be let in any longer, until cancelled.

        A revocation is heard within a second; what is not told (a session that was ended, a
        token that expired, a bus that is away) is found when it is looked at anyway.
        """
        due = time.monotonic() + LOOK_AGAIN
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._wake.wait()
            self._wake.clear()
            revoked, self._revoked = self._revoked, []
            everyone = time.monotonic() >= due
            if everyone:
                due = time.monotonic() + LOOK_AGAIN
            for task, call in list(self._open.items()):
                if everyone or any(one.covers(call.principal) for one in revoked):
                    await _end_if_refused(task, call)


async def _end_if_refused(task: asyncio.Task[object], call: Call) -> None:
    try:
        async with asyncio.timeout(LOOK_TIMEOUT):
            await call.let_in()
    except AppError as exc:
        if exc.wire_status in (Unauthorized.status, Forbidden.status):
            task.cancel()
    except TimeoutError:
        pass  # another time


class Stream:
    """An SSE answer under way. Each write has a deadline; a reader that stops reading is cut."""

    def __init__(self, call: Call, response: web.StreamResponse) -> None:
        self._call = call
        self._response = response

    @classmethod
    async def open(cls, call: Call, headers: Mapping[str, str] | None = None) -> "Stream":
        response = web.StreamResponse(
            headers={
                **call.headers,
                **(headers or {}),
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        transport = call.request.transport
        if transport is not None:
            transport.set_write_buffer_limits(high=BUFFER)
        async with asyncio.timeout(WRITE_TIMEOUT):
            call.streaming = True
            await response.prepare(call.request)
        return cls(call, response)

    async def write(self, data: bytes) -> None:
        """Raises `TimeoutError` when the reader is too slow, `ConnectionError` when it is gone."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self._response.write(data)
        except TimeoutError:
            transport = self._call.request.transport
            if transport is not None:
                transport.abort()
            raise

    async def close(self) -> web.StreamResponse:
        async with asyncio.timeout(WRITE_TIMEOUT):
            await self._response.write_eof()
        return self._response

"""aiohttp's server with the edges filed: every refusal in our shape, no client may dawdle.

A head has ten seconds from its first byte (of a connection: from its beginning), and what was
written must be read on: a connection on which neither moves is cut, whatever it is in the
middle of. aiohttp alone would wait for ever. What aiohttp refuses by itself (a head it can't
parse, one too large) is answered as JSON too. A stream's task is cancelled when its client goes
away. When connections run short, those that only idle make room.
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from libs.common.errors import AppError, BadRequest
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.call import JSON, SECURITY_HEADERS, _encode, error_body

HEAD_TIMEOUT = 10.0  # seconds for the head of a request
READ_TIMEOUT = 30.0  # seconds a client may take nothing of what waits for it
KEEPALIVE_TIMEOUT = 75.0  # seconds between two requests
CROWDED = 0.8  # of all connections: from then on idle ones are closed ...
IDLE_IN_A_CROWD = 5.0  # ... after so many seconds
SWEEP_EVERY = 1.0  # seconds between two looks at all connections
FINISH_EVERY = 0.1  # seconds between two looks while draining
LINGER = 2.0  # seconds to read on after a refusal, so that the client gets to see it
MAX_LINE = 8_190  # bytes of the request line and of a header
OTHER_FILES = 512  # descriptors for everything but connections

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class MalformedRequest(BadRequest):
    """This is not a valid HTTP request."""

    code = "malformed_request"


class Protocol(RequestHandler):
    """One connection."""

    def __init__(self, manager: "Server", **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._server = manager
        self._watched: set[asyncio.Task[Any]] = set()
        self._socket: asyncio.Transport | None = None  # also while aiohttp lets it close
        self._head_since: float | None = None  # when a head that isn't whole yet began
        self._unread = 0  # bytes that waited for the client at the last look ...
        self._unread_since = 0.0  # ... and since when it has taken none

    def watch(self, task: "asyncio.Task[Any]") -> None:
        """Cancel this task when the connection is lost."""
        self._watched.add(task)
        task.add_done_callback(self._watched.discard)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._server.count > self._server.most_connections:
            self.force_close()
            return
        self._socket = self.transport
        self._head_since = self._loop.time()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_idle:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._socket = None
        super().connection_lost(exc)
        for task in list(self._watched):
            task.cancel()

    @property
    def is_busy(self) -> bool:
        return self._socket is not None and not self._is_idle

    @property
    def _is_idle(self) -> bool:
        """Waiting for the (whole) head of a request."""
        waiter = self._waiter
        return self._request_count == 0 if waiter is None else not waiter.done()

    def look(self, now: float, *, crowded: bool) -> None:
        """Cut the connection if its client dawdles."""
        if self._socket is None:
            return
        if self._is_stuck(self._socket.get_write_buffer_size(), now):
            self._socket.abort()
        elif self._is_idle and self._is_late(now, crowded=crowded):
            self.force_close()

    def _is_stuck(self, unread: int, now: float) -> bool:
        if not unread or unread < self._unread or not self._unread:
            self._unread_since = now
        self._unread = unread
        return now - self._unread_since > READ_TIMEOUT

    def _is_late(self, now: float, *, crowded: bool) -> bool:
        if self._head_since is not None:
            return now - self._head_since > HEAD_TIMEOUT
        idle_since = self._next_keepalive_close_time - KEEPALIVE_TIMEOUT
        return crowded and now - idle_since > IDLE_IN_A_CROWD

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # it quotes what was sent
    ) -> web.StreamResponse:
        """What aiohttp could not read, or what went wrong outside of our own handling."""
        error: AppError = MalformedRequest() if status < 500 else AppError()
        if status >= 500:
            log.error("request_crashed", exc_info=exc)
        response = web.Response(
            body=_encode(error_body(error)),
            status=error.status,
            headers={
                **SECURITY_HEADERS,
                "Content-Type": JSON,
                "X-Request-Id": new_id("req"),
            },
        )
        response.force_close()
        return response


class Server(web.Server):
    def __init__(self, handler: Handler, *, most_connections: int) -> None:
        super().__init__(
            handler,  # type: ignore[arg-type]
            keepalive_timeout=KEEPALIVE_TIMEOUT,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            lingering_time=LINGER,
            auto_decompress=False,
            access_log=None,
        )
        self.most_connections = min(most_connections, _descriptors(most_connections))

    def __call__(self) -> RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)

    @property
    def count(self) -> int:
        return len(self._connections)

    async def finish(self, within: float) -> None:
        """Wait until no request is under way: an upload takes as long as its client's line."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while loop.time() < until and any(c.is_busy for c in self.connections):  # type: ignore[attr-defined]
            await asyncio.sleep(FINISH_EVERY)

    async def sweep(self) -> None:
        """Look after the connections, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            crowded = self.count > self.most_connections * CROWDED
            now = loop.time()
            for protocol in self.connections:
                protocol.look(now, crowded=crowded)  # type: ignore[attr-defined]


def _descriptors(wanted: int) -> int:
    """Have the system allow so many connections; returns how many it does.

    Shells and containers often begin with 1,024 descriptors of far more that they may have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft < needed:
        soft = min(needed, hard) if hard != resource.RLIM_INFINITY else needed
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < needed:
        log.info("connections_bounded_by_the_system", most=soft - OTHER_FILES)
    return max(1, soft - OTHER_FILES)

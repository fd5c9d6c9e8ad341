"""aiohttp's server with the edges filed: every refusal in our shape, no client may dawdle.

A connection has ten seconds for the head of its first request; aiohttp waits for ever. What
aiohttp refuses by itself (a head it can't parse, one too large) is answered as JSON too. A
stream's task is cancelled when its client goes away.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from libs.common.errors import AppError, BadRequest
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.call import JSON, SECURITY_HEADERS, _encode, error_body

HEAD_TIMEOUT = 10.0  # seconds for the head of a request
KEEPALIVE_TIMEOUT = 75.0  # seconds between two requests
LINGER = 2.0  # seconds to read on after a refusal, so that the client gets to see it
MAX_LINE = 8_190  # bytes of the request line and of a header

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
        self._head_timer: asyncio.TimerHandle | None = None

    def watch(self, task: "asyncio.Task[Any]") -> None:
        """Cancel this task when the connection is lost."""
        self._watched.add(task)
        task.add_done_callback(self._watched.discard)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections) > self._server.most_connections:
            self.force_close()
            return
        loop = asyncio.get_running_loop()
        self._head_timer = loop.call_later(HEAD_TIMEOUT, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)
        for task in list(self._watched):
            task.cancel()

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
        self.most_connections = most_connections

    def __call__(self) -> RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)

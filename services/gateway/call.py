"""One HTTP request on its way through its route."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from libs.common.envelope import Context
from libs.common.errors import AppError, Unauthorized
from libs.common.telemetry import traceparent
from services.gateway.principal import NOBODY, Principal
from services.gateway.row import Route
from services.gateway.secrets import fingerprint

JSON = "application/json"
Started = Callable[[str], Awaitable[None]]
LetIn = Callable[[], Awaitable[object]]
_encode = msgspec.json.Encoder().encode

# On every answer; pages replace the policy with their own.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "Chattery",
}


async def _anyone() -> None:
    """No credentials were asked for."""


class Call:
    """What a handler gets beside its request struct; ``headers`` go on the answer."""

    def __init__(
        self, request: web.BaseRequest, request_id: str, ip: str, *, is_https: bool = False
    ) -> None:
        self.request = request
        self.id = request_id
        self.ip = ip
        self.route: Route | None = None
        self.params: dict[str, str] = {}
        self.principal: Principal = NOBODY
        self.body = b""
        self.target = ""  # what the audit log names as changed
        self.action = ""  # ... and did; the route's name by default
        self.let_in: LetIn = _anyone  # judges the credentials again; raises as at the start
        self.streaming = False  # whether the answer is an open stream by now
        self.started: Started | None = None  # to be told the id of a streamed answer
        self.resumed = ""  # the id of the answer to follow instead of asking again
        self.headers: dict[str, str] = {**SECURITY_HEADERS, "X-Request-Id": request_id}
        if is_https:
            self.headers["Strict-Transport-Security"] = "max-age=31536000"

    def context(self, account: str | None = None) -> Context:
        return Context(
            account=self.principal.account if account is None else account,
            actor=self.principal.actor,
            request_id=self.id,
            traceparent=traceparent(),
            ip=self.ip,
            once=self._once(),
        )

    def _once(self) -> str:
        """Stands for the Idempotency-Key: should the record of it be lost, or the first try have
        ended without an answer, a service that knows this mark still does its work once.
        """
        key = self.request.headers.get("Idempotency-Key")
        if key is None or self.request.method != "POST":
            return ""
        return fingerprint(self.principal.actor.id, self.request.path, key)

    @property
    def accepts_json_only(self) -> bool:
        accept = self.request.headers.get("Accept", "")
        return "application/json" in accept and "text/event-stream" not in accept

    def reply(self, body: Any, status: int = 200) -> web.Response:
        """A JSON answer; ``body`` is a struct, or JSON that is ready."""
        data = bytes(body) if isinstance(body, msgspec.Raw | bytes) else _encode(body)
        return web.Response(
            body=data, status=status, headers={**self.headers, "Content-Type": JSON}
        )

    def empty(self, status: int = 204) -> web.Response:
        return web.Response(status=status, headers=self.headers)

    def refuse(self, error: AppError) -> web.Response:
        """The one shape of every refusal."""
        if error.retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
        if error.wire_status == Unauthorized.status:
            self.headers["WWW-Authenticate"] = 'Bearer realm="chattery"'
        return self.reply(error_body(error), error.wire_status)


def error_body(error: AppError) -> Mapping[str, Any]:
    """``{"error": {"code", "message", "details"}}``"""
    return {
        "error": {
            "code": error.wire_code,
            "message": error.message,
            "details": error.details,
        }
    }

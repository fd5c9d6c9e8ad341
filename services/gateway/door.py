"""Every request's way: route, origin, credentials, limits, body, idempotency, the work, the answer."""

import asyncio
import hmac
import re
import time
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog
from aiohttp import web
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import Counter, Histogram

from libs.common.calls import Chatbot
from libs.common.envelope import Endpoint
from libs.common.errors import (
    AppError,
    DeadlineExceeded,
    Forbidden,
    MethodNotAllowed,
    Unauthorized,
)
from libs.common.ids import new_id
from libs.common.telemetry import SECONDS, exemplar, log, span
from services.gateway.body import go_on, read_json_body
from services.gateway.call import Call
from services.gateway.clientip import client_ip, counted
from services.gateway.decode import check_values, printable
from services.gateway.door_rules import check_same_site, is_origin, is_own
from services.gateway.errors import KeyRevoked, NoSuchRoute, OriginRefused, ScopeMissing
from services.gateway.gateway import Gateway
from services.gateway.limits import Charge, refuse
from services.gateway.once import REPLAYED, once
from services.gateway.origins import allowing, preflight
from services.gateway.principal import NOBODY, OPERATOR, Principal
from services.gateway.row import Route, Table
from services.gateway.secrets import fingerprint
from services.gateway.sessions import COOKIE
from services.gateway.visitors import PREFIX as VISITOR_PREFIX

REQUESTS = Histogram(
    "chattery_http_requests_seconds",
    "Time to answer; of a stream, to its end",
    ["route", "method", "status"],
    buckets=SECONDS,
)
CRASHES = Counter("chattery_http_crashes_total", "Requests that ended in an unexpected exception")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{8,128}")


class Door:
    def __init__(self, gateway: Gateway, table: Table) -> None:
        self._gateway = gateway
        self._table = table

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        started = time.perf_counter()
        call = self._call(request)
        structlog.contextvars.bind_contextvars(request_id=call.id)
        status = 500
        parent = request.headers.get("traceparent", "")
        with span("request", parent=parent, kind=SpanKind.SERVER) as current:
            try:
                response = await self._answer(call)
                status = response.status
                if self._gateway.streams.draining.is_set() and not response.prepared:
                    response.force_close()  # whoever comes again finds another replica
                return response
            except asyncio.CancelledError:
                status = 499  # the client went away
                raise
            finally:
                if call.route is not None:
                    current.update_name(f"{call.route.method} {call.route.path}")
                current.set_attribute("http.response.status_code", status)
                if status >= 500:
                    current.set_status(StatusCode.ERROR)
                self._note(call, status, time.perf_counter() - started)

    def _call(self, request: web.BaseRequest) -> Call:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
        ip = client_ip(
            request.remote or "",
            request.headers.getall("X-Forwarded-For", []),
            request.headers.getall("Forwarded", []),
            self._gateway.trusted,
        )
        return Call(request, request_id, ip, is_https=self._gateway.settings.is_https)

    async def _answer(self, call: Call) -> web.StreamResponse:
        try:
            return await self._through(call)
        except AppError as exc:
            return self._refuse(call, exc)
        except TimeoutError:
            return self._refuse(call, DeadlineExceeded())
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as exc:
            CRASHES.inc()
            log.error("request_crashed", path=call.request.path, exc_info=exc)
            return self._refuse(call, AppError())

    def _refuse(self, call: Call, error: AppError) -> web.Response:
        """The refusal as JSON; a stream that is open is cut instead, so that its reader resumes."""
        if not call.streaming:
            return call.refuse(error)
        log.warning("stream_cut", path=call.request.path, code=error.wire_code)
        if call.request.transport is not None:
            call.request.transport.abort()
        raise ConnectionResetError(error.wire_code)

    async def _through(self, call: Call) -> web.StreamResponse:
        if call.request.method == "OPTIONS" and "Access-Control-Request-Method" in (
            call.request.headers
        ):
            return await self._preflight(call)
        route = self._find(call)
        await self._check_origin(call, route)
        call.let_in = partial(self._identify, call, route)
        call.principal = await self._identify(call, route)
        if call.principal.account:
            structlog.contextvars.bind_contextvars(account=call.principal.account)
        await self._check_limits(call, route)
        if route.takes_body or route.kind == "upload":
            await go_on(call.request)
        if route.takes_body:
            call.body = await read_json_body(call.request)
        request: Any = None
        if route.shape is not None:
            query = call.request.rel_url.raw_query_string
            request = route.shape.build(call.params, query, call.body)
        return await self._once(call, route, request)

    # -- which route -------------------------------------------------------------------------

    def _find(self, call: Call) -> Route:
        methods, params = self._table.find(_segments(call.request))
        if not methods:
            raise NoSuchRoute
        method = call.request.method
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None or (method == "HEAD" and route.kind == "stream"):
            call.headers["Allow"] = ", ".join(sorted(methods))
            raise MethodNotAllowed(details={"allowed": sorted(methods)})
        call.route, call.params = route, params
        return route

    # -- from which page ---------------------------------------------------------------------

    async def _preflight(self, call: Call) -> web.Response:
        """What a browser asks before a page of another site may call."""
        methods, params = self._table.find(_segments(call.request))
        widget = [m for m, route in methods.items() if route.is_widget]
        origin = call.request.headers.get("Origin", "")
        call.headers["Vary"] = "Origin"
        if widget and origin and await self._page_may(call, params.get("chatbotId"), origin):
            call.headers.update(preflight(origin, widget))
        return call.empty()

    async def _check_origin(self, call: Call, route: Route) -> None:
        """Let a widget's page read the answer; refuse pages that are not on the list."""
        if not route.is_widget:
            return
        call.headers["Vary"] = "Origin"
        origin = call.request.headers.get("Origin", "")
        if not origin or is_own(call, origin, self._gateway.settings.public_url):
            return
        token = _bearer(call)
        by_visitor = token.startswith(VISITOR_PREFIX) or route.auth == "none"
        chatbot = call.params.get("chatbotId")
        if by_visitor and not chatbot:
            chatbot = self._gateway.visitors.chatbot(token)
        if not by_visitor:
            return  # an API key has no business in a browser: no page may read the answer
        if not await self._page_may(call, chatbot, origin):
            raise OriginRefused
        call.headers.update(allowing(origin))

    async def _page_may(self, call: Call, chatbot: str | None, origin: str) -> bool:
        """Without a chatbot in sight nothing is given away: the token decides later."""
        if not is_origin(origin):
            return False
        return chatbot is None or await self._gateway.origins.may_call(chatbot, origin, call.ip)

    # -- whose -------------------------------------------------------------------------------

    async def _identify(self, call: Call, route: Route) -> Principal:
        """The credentials this route takes, checked. Raises 401 or 403."""
        if route.auth == "none":
            return NOBODY
        token = _bearer(call)
        if route.auth == "operator":
            return self._operator(token)
        principal = await self._credentials(call, token)
        if principal.is_visitor and not route.visitor:
            raise Unauthorized
        if not principal.is_visitor and not principal.may(route.scope):
            raise ScopeMissing(details={"scope": route.scope})
        if route.auth == "session" and not principal.session:
            raise Forbidden("Log in to do this; a key can't.")
        return principal

    def _operator(self, token: str) -> Principal:
        known = self._gateway.settings.operator_token
        if known is None or not known.get_secret_value():
            raise NoSuchRoute
        expected = self._gateway.secrets.digest("operator", known.get_secret_value())
        if not hmac.compare_digest(self._gateway.secrets.digest("operator", token), expected):
            raise Unauthorized("Send the operator's token as `Authorization: Bearer ...`.")
        return OPERATOR

    async def _credentials(self, call: Call, token: str) -> Principal:
        gateway = self._gateway
        if token.startswith(VISITOR_PREFIX):
            visitor = gateway.visitors.identify(token)
            plan = await gateway.tenants.plan_of(visitor.account)
            return msgspec.structs.replace(visitor, plan=plan)
        if token:
            return await self._by_key(call, token)
        cookie = call.request.cookies.get(COOKIE)
        if not cookie or "Authorization" in call.request.headers:
            raise Unauthorized
        if call.request.method not in ("GET", "HEAD"):
            check_same_site(call, gateway.settings.public_url)
        return await gateway.sessions.identify(cookie)

    async def _by_key(self, call: Call, token: str) -> Principal:
        keys, guesses = self._gateway.keys, self._gateway.guesses
        if not keys.remembers(token) and (verdict := guesses.verdict(call.ip)):
            call.headers.update(verdict.headers)
            raise refuse(verdict)
        try:
            return await keys.identify(token)
        except KeyRevoked:
            guesses.failed(call.ip)
            raise

    # -- how often ---------------------------------------------------------------------------

    async def _check_limits(self, call: Call, route: Route) -> None:
        charges: list[Charge] = []
        plan = call.principal.plan
        for name in route.limits:
            policy = self._gateway.limits.policy(name, plan)
            if policy is not None and policy.scope != "subject":  # those the handler charges
                charges.append(Charge(name, _subject(call, policy.scope), policy))
        verdict = await self._gateway.limits.check(charges, plan)
        call.headers.update(verdict.headers)
        if verdict.retry_after is not None:
            raise refuse(verdict)

    # -- the work ----------------------------------------------------------------------------

    async def _once(self, call: Call, route: Route, request: Any) -> web.StreamResponse:
        if route.method != "POST" or route.kind == "upload":  # an upload is judged once it is read
            return await self._work(call, route, request)

        async def work() -> web.StreamResponse:
            return await self._work(call, route, request)

        async def again() -> web.StreamResponse:
            assert route.handler is not None
            return await route.handler(self._gateway, call, request)

        print_ = fingerprint(route.method, call.request.raw_path, call.body)
        return await once(self._gateway.idempotency, call, print_, work, again)

    async def _work(self, call: Call, route: Route, request: Any) -> web.StreamResponse:
        if route.guard is None:
            result = await self._do(call, route, request)
        else:
            async with route.guard(self._gateway, call, request) as allowed:
                result = await self._do(call, route, allowed)
        if route.writes and route.audit and REPLAYED not in call.headers:
            await self._gateway.audit.record(call)
        if isinstance(result, web.StreamResponse):
            return result
        if result is None or route.answer is None:
            return call.empty(route.status if route.status != 200 else 204)
        return call.reply(result, route.status)

    async def _do(self, call: Call, route: Route, request: Any) -> Any:
        if route.handler is not None:
            return await route.handler(self._gateway, call, request)
        return await self._pass_on(call, route, request)

    async def _pass_on(self, call: Call, route: Route, request: Any) -> Any:
        assert route.call is not None
        if route.etag:
            return await self._with_etag(call, route, request)
        raw = Endpoint(route.call.subject, route.call.request, msgspec.Raw)
        reply = await self._gateway.bus.request(raw, request, call.context(), timeout=route.timeout)
        if route.writes and not call.params:
            call.target = _id_of(reply)
        return reply

    async def _with_etag(self, call: Call, route: Route, request: Any) -> Any:
        """A chatbot: its etag is a header, and conditions on it are."""
        assert route.call is not None
        if route.method == "PATCH":
            wanted = call.request.headers.get("If-Match")
            if wanted and wanted.strip() != "*":
                request = msgspec.structs.replace(request, if_match=_tag(printable(wanted)))
        reply: Chatbot = await self._gateway.bus.request(
            route.call, request, call.context(), timeout=route.timeout
        )
        call.target = reply.id
        if not isinstance(reply.etag, str):
            return reply
        call.headers["ETag"] = f'"{reply.etag}"'
        if route.method == "GET" and reply.etag in [
            _tag(part) for part in call.request.headers.get("If-None-Match", "").split(",")
        ]:
            return call.empty(304)
        return msgspec.structs.replace(reply, etag=msgspec.UNSET)

    # -- afterwards --------------------------------------------------------------------------

    def _note(self, call: Call, status: int, seconds: float) -> None:
        route = call.route
        name = route.path if route else "none"
        method = route.method if route else "other"
        REQUESTS.labels(name, method, status).observe(seconds, exemplar())
        level = log.info if status >= 400 or (route and route.writes) else log.debug
        level(
            "request",
            method=method,
            route=name,
            status=status,
            ms=round(seconds * 1000, 1),
            ip=call.ip,
            actor=call.principal.actor.id,
        )


def _bearer(call: Call) -> str:
    scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _subject(call: Call, scope: str) -> str:
    principal = call.principal
    if scope == "ip":
        return counted(call.ip)
    if scope == "account":
        return principal.account or counted(call.ip)
    return principal.user or principal.actor.id or counted(call.ip)


def _segments(request: web.BaseRequest) -> list[str]:
    """The path's parts, decoded one by one, so that an encoded slash stays inside its part."""
    path = request.rel_url.raw_path
    if path == "/":
        return []
    try:
        parts = [unquote(part, errors="strict") for part in path.lstrip("/").split("/")]
    except UnicodeDecodeError as exc:
        raise NoSuchRoute from exc
    for part in parts:
        check_values(part)
    return parts


def _tag(text: str) -> str:
    return text.strip().removeprefix("W/").strip('"')


class _Identified(msgspec.Struct):
    id: str = ""


def _id_of(reply: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(reply, type=_Identified).id
    except msgspec.MsgspecError:
        return ""

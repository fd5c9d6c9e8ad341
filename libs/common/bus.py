"""The bus: request/reply, streamed replies, facts and live subjects over NATS.

Services are NATS micro services (ADR-32 of nats-io/nats-architecture-and-design): a name, a
version, endpoints in a queue group, ``$SRV.PING|INFO|STATS``, and errors in two headers. What
the client library leaves open is closed here: requests of one endpoint run side by side under
a bound, an unexpected exception tells the caller nothing but "internal", a connection is
retried for ever with an alarm metric, a request nobody received is sent again.
"""

import asyncio
import random
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
)
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import msgspec
import nats
import nats.errors
import nats.micro
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.micro.request import Request
from nats.micro.service import Service
from opentelemetry.trace import SpanKind

from libs.common import errors
from libs.common.config import CommonSettings
from libs.common.connection import connect
from libs.common.envelope import Context, Endpoint
from libs.common.live import Live
from libs.common.telemetry import (
    BUS_REQUESTS,
    BUS_SERVED,
    exemplar,
    log,
    span,
    traceparent,
)

Q = TypeVar("Q")
R = TypeVar("R")
Handler = Callable[[Context, Q], Awaitable[R]]
StreamHandler = Callable[[Context, Q], AsyncIterator[R]]

VERSION = "0.1.0"
REQUEST_TIMEOUT = 10.0  # seconds, where the caller's context says nothing shorter
NOBODY_TIMEOUT = 5.0  # seconds to wait for a service of which no replica is there
DEFAULT_CONCURRENCY = 64  # requests of one endpoint at once, per process
QUEUE_FACTOR = 8  # so many times the concurrency may wait; beyond that: 503
STREAM_IDLE_TIMEOUT = 30.0  # seconds between two parts of a streamed reply

END = "Chattery-End"
_encode = msgspec.json.Encoder().encode
_error_decoder = msgspec.json.Decoder(errors.ErrorBody)


class Bus:
    """One connection to NATS, for one service."""

    def __init__(self, client: Client, service: str) -> None:
        self.client = client
        self.service = service
        self.js = client.jetstream(timeout=5)
        self._micro: Service | None = None
        self._running: set[asyncio.Task[None]] = set()

    # -- connection --------------------------------------------------------------------------

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: CommonSettings, service: str) -> AsyncGenerator["Bus"]:
        client = await connect(settings, service)
        bus = cls(client, service)
        try:
            yield bus
        finally:
            await bus.stop_serving()
            with suppress(nats.errors.Error, OSError, TimeoutError):
                await asyncio.wait_for(client.flush(), 2)
            with suppress(nats.errors.Error, OSError):
                await client.close()

    @property
    def connected(self) -> bool:
        return self.client.is_connected

    # -- request and reply -------------------------------------------------------------------

    async def request(
        self,
        endpoint: Endpoint[Q, R],
        request: Q,
        context: Context,
        *,
        timeout: float = REQUEST_TIMEOUT,
    ) -> R:
        """Ask a service and wait for its answer.

        Raises the error the other side raised (as `RemoteError`), `DeadlineExceeded` when
        ``timeout`` seconds or the context's deadline pass, `Unavailable` when nobody serves it.
        """
        started = time.perf_counter()
        code = "ok"
        with span(endpoint.subject, kind=SpanKind.CLIENT):
            try:
                reply = await self._request(endpoint.subject, _encode(request), context, timeout)
                return _reply(endpoint, reply)
            except errors.AppError as exc:
                code = exc.wire_code
                raise
            finally:
                BUS_REQUESTS.labels(endpoint.subject, code).observe(time.perf_counter() - started)

    async def _request(self, subject: str, data: bytes, context: Context, timeout: float) -> Msg:
        end = time.time() + context.remaining(timeout)
        patience = _Patience(subject, end)
        context = msgspec.structs.replace(
            context, deadline=end, traceparent=traceparent() or context.traceparent
        )
        headers = context.headers()
        while True:
            left = end - time.time()
            if left <= 0:
                raise errors.DeadlineExceeded
            try:
                return await self.client.request(subject, data, timeout=left, headers=headers)
            except nats.errors.NoRespondersError:
                await patience.pause()
            except (TimeoutError, nats.errors.TimeoutError) as exc:
                raise errors.DeadlineExceeded from exc
            except nats.errors.MaxPayloadError as exc:
                raise errors.PayloadTooLarge from exc
            except nats.errors.Error as exc:
                raise errors.Unavailable("The message bus is away; try again shortly.") from exc

    async def stream(
        self, endpoint: Endpoint[Q, R], request: Q, context: Context, *, timeout: float = 300.0
    ) -> AsyncIterator[R]:
        """Ask a service that answers in parts; yields them as they come.

        Raises as `request` does, also in the middle.
        """
        end = time.time() + context.remaining(timeout)
        patience = _Patience(endpoint.subject, end)
        context = msgspec.structs.replace(
            context, deadline=end, traceparent=traceparent() or context.traceparent
        )
        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(inbox)

        async def ask() -> None:
            await self.client.publish(
                endpoint.subject, _encode(request), reply=inbox, headers=context.headers()
            )

        try:
            await ask()
            while True:
                left = min(end - time.time(), STREAM_IDLE_TIMEOUT)
                try:
                    message = await subscription.next_msg(timeout=max(left, 0.001))
                except nats.errors.TimeoutError as exc:
                    raise errors.DeadlineExceeded from exc
                headers = message.headers or {}
                if headers.get("Status") == "503":
                    await patience.pause()
                    await ask()
                elif END in headers:
                    return
                else:
                    yield _reply(endpoint, message)
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    # -- serving -----------------------------------------------------------------------------

    async def serve(
        self,
        endpoint: Endpoint[Q, R],
        handler: Handler[Q, R],
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
    ) -> None:
        """Answer an endpoint's requests, at most ``concurrency`` at once in this process."""
        decoder = msgspec.json.Decoder(endpoint.request)

        async def answer(request: Request, context: Context) -> None:
            reply = await handler(context, decoder.decode(request.data))
            await request.respond(_encode(reply))

        await self._serve(endpoint, answer, concurrency)

    async def serve_stream(
        self,
        endpoint: Endpoint[Q, R],
        handler: StreamHandler[Q, R],
        *,
        concurrency: int = 8,
    ) -> None:
        """Answer in parts: each value the handler yields is one message, then an end marker."""
        decoder = msgspec.json.Decoder(endpoint.request)

        async def answer(request: Request, context: Context) -> None:
            async for part in handler(context, decoder.decode(request.data)):
                await request.respond(_encode(part))
                if self.client.pending_data_size > 1 << 20:
                    await self.client.flush()
            await request.respond(b"", headers={END: "1"})

        await self._serve(endpoint, answer, concurrency)

    async def _serve(
        self,
        endpoint: Endpoint[Any, Any],
        answer: Callable[[Request, Context], Awaitable[None]],
        concurrency: int,
    ) -> None:
        if self._micro is None:
            self._micro = await nats.micro.add_service(
                self.client, name=f"chattery-{self.service}", version=VERSION
            )
        slots = asyncio.Semaphore(concurrency)
        waiting = 0

        async def run(request: Request) -> None:
            nonlocal waiting
            try:
                async with slots:
                    await self._answer(endpoint, answer, request)
            finally:
                waiting -= 1

        async def accept(request: Request) -> None:
            nonlocal waiting
            if waiting >= concurrency * QUEUE_FACTOR:
                await _refuse(request, errors.Unavailable("Too much at once; try again shortly."))
                return
            waiting += 1  # from now on, not once its task runs: a burst comes all at once
            self.spawn(run(request))

        await self._micro.add_endpoint(
            name=endpoint.name,
            subject=endpoint.subject,
            handler=accept,
            queue_group=self.service,
        )

    async def _answer(
        self,
        endpoint: Endpoint[Any, Any],
        answer: Callable[[Request, Context], Awaitable[None]],
        request: Request,
    ) -> None:
        started = time.perf_counter()
        code = "ok"
        sample: dict[str, str] | None = None
        try:
            context = Context.of(request.headers)
            structlog.contextvars.bind_contextvars(
                account=context.account, request_id=context.request_id
            )
            left = context.remaining(300.0)
            if left <= 0:
                code = "too_late"  # the caller has gone: do not work for nobody
                return
            with span(endpoint.subject, parent=context.traceparent, kind=SpanKind.SERVER):
                sample = exemplar()
                async with asyncio.timeout(left):
                    await answer(request, context)
        except Exception as exc:
            error = _as_app_error(exc, endpoint.subject)
            code = error.wire_code
            await _refuse(request, error)
        finally:
            seconds = time.perf_counter() - started
            BUS_SERVED.labels(endpoint.subject, code).observe(seconds, sample)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run in the background; `stop_serving` waits for it."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def stop_serving(self, grace: float = 10.0) -> None:
        """Take no more requests, then wait up to ``grace`` seconds for those that run."""
        if self._micro is not None:
            with suppress(nats.errors.Error, OSError, TimeoutError):
                await asyncio.wait_for(self._micro.stop(), 2)
            self._micro = None
        current = asyncio.current_task()
        running = {task for task in self._running if task is not current}
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()

    # -- plain subjects ----------------------------------------------------------------------

    async def publish(
        self, subject: str, data: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Send to whoever listens now. Lost when the connection is away for long."""
        try:
            await self.client.publish(subject, data, headers=headers)
        except nats.errors.Error as exc:
            raise errors.Unavailable("The message bus is away; try again shortly.") from exc

    async def publish_durable(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        headers: dict[str, str] | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Publish into the stream that holds ``subject`` and wait until it is on disk.

        A repeat with the same ``message_id`` within the stream's duplicate window is dropped
        there. Raises `Unavailable` when it was not confirmed.
        """
        try:
            await self.js.publish(
                subject,
                data,
                timeout=timeout,
                headers={**(headers or {}), "Nats-Msg-Id": message_id},
            )
        except (nats.errors.Error, TimeoutError) as exc:
            raise errors.Unavailable("The event stream is away; try again shortly.") from exc

    @asynccontextmanager
    async def live(self, *subjects: str, flush: bool = True) -> AsyncGenerator["Live"]:
        """Listen to subjects for the length of the block; bounded in memory.

        Nothing sent after it began is missed; without a ``flush``, a round trip, nothing that
        is caused by a later request of this process.
        """
        feed = Live()
        subscriptions = [await self.client.subscribe(s, cb=feed.put) for s in subjects]
        try:
            if flush:
                await self.client.flush()
            yield feed
        finally:
            for subscription in subscriptions:
                with suppress(nats.errors.Error):
                    await subscription.unsubscribe()

    async def replay(self, stream: str, subject: str, *, limit: int = 10_000) -> list[Msg]:
        """The messages a stream still holds on one subject, oldest first (direct get)."""
        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(inbox)
        query = {"batch": limit, "next_by_subj": subject, "seq": 1}
        found: list[Msg] = []
        try:
            await self.client.publish(f"$JS.API.DIRECT.GET.{stream}", _encode(query), reply=inbox)
            while True:
                message = await subscription.next_msg(timeout=5)
                if (message.headers or {}).get("Status"):  # 204 end, 404 none, 503 no stream
                    return found
                found.append(message)
        except nats.errors.TimeoutError as exc:
            raise errors.DeadlineExceeded from exc
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()


class _Patience:
    """Waits for a service that has no replica now: nobody got the request, it may be sent again."""

    def __init__(self, subject: str, end: float) -> None:
        self._service = subject.partition(".")[0]
        self._end = min(end, time.time() + NOBODY_TIMEOUT)
        self._pause = 0.02

    async def pause(self) -> None:
        """Raises `Unavailable` when it has been long enough."""
        if time.time() + self._pause > self._end:
            raise errors.Unavailable(details={"service": self._service})
        await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))
        self._pause = min(self._pause * 2, 0.5)


def _reply(endpoint: Endpoint[Any, R], message: Msg) -> R:
    headers = message.headers or {}
    if "Nats-Service-Error" in headers:
        raise errors.RemoteError(_error_decoder.decode(message.data))
    return msgspec.json.decode(message.data, type=endpoint.reply)


async def _refuse(request: Request, error: errors.AppError) -> None:
    body = error.body()
    with suppress(nats.errors.Error):
        await request.respond_error(str(body.status), body.code, _encode(body))


def _as_app_error(exc: Exception, subject: str) -> errors.AppError:
    if isinstance(exc, errors.AppError):
        if exc.wire_status >= 500:
            log.warning("request_failed", subject=subject, code=exc.wire_code, reason=exc.message)
        return exc
    if isinstance(exc, msgspec.ValidationError):
        return errors.BadRequest(str(exc))
    if isinstance(exc, TimeoutError):
        return errors.DeadlineExceeded()
    log.error("request_crashed", subject=subject, exc_info=exc)
    return errors.AppError()

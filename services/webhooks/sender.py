"""One attempt: a signed POST, bounded in time and size, to an address that was judged."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import msgspec

from libs.common.calls import Attempt
from libs.common.netguard import blocked
from services.webhooks.schedule import retry_after
from services.webhooks.targets import Targets

CONNECT_TIMEOUT = 5.0  # seconds
TOTAL_TIMEOUT = 15.0  # seconds, from the look-up of the name to the end of the response
LONGEST_TIMEOUT = 30.0  # seconds; the lease on a delivery is longer
LARGEST_READ = 64 << 10  # bytes of a response; then the connection is closed
KEPT_BODY = 2_000  # bytes of a response that the log keeps
KEPT_HEADERS = 40
KEPT_VALUE = 500  # characters of a header
KEPT_IN_ALL = 4_000  # characters of all headers
IDLE_CONNECTION = 4.0  # seconds; less than the 5 after which Node closes its end


class Answer(msgspec.Struct, frozen=True):
    """What came of an attempt, as the log keeps it and as the schedule needs it."""

    attempt: Attempt
    retry_after: float | None = None
    final: bool = False  # nothing was sent, nor will it be

    @property
    def succeeded(self) -> bool:
        status = self.attempt.status
        return status is not None and 200 <= status < 300

    @property
    def gone(self) -> bool:
        return self.attempt.status == 410


class Sender:
    """Two clients, as https and plain http have addresses of their own that they may reach."""

    def __init__(
        self,
        targets: Targets,
        https: aiohttp.ClientSession,
        http: aiohttp.ClientSession,
        timeout: float,
    ) -> None:
        self._targets = targets
        self._https = https
        self._http = http
        self._timeout = timeout

    @classmethod
    @asynccontextmanager
    async def open(
        cls, targets: Targets, *, timeout: float = TOTAL_TIMEOUT
    ) -> AsyncGenerator["Sender"]:
        def session(guard: object) -> aiohttp.ClientSession:
            picked = targets.https if guard is targets.https else targets.http
            return aiohttp.ClientSession(
                connector=picked.connector(
                    limit=0,
                    keepalive_timeout=IDLE_CONNECTION,
                    ssl=ssl.create_default_context(),
                    resolver=targets.names,
                ),
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers={"Accept": "*/*", "Accept-Encoding": "identity"},
            )

        async with session(targets.https) as https, session(targets.http) as http:
            yield cls(targets, https, http, timeout)
        await targets.names.close()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST once. Never raises for what the other side does."""
        client = self._https if self._targets.guard(url) is self._targets.https else self._http
        at, started = datetime.now(UTC), time.perf_counter()
        status: int | None = None
        error: str | None = None
        kept: dict[str, str] = {}
        start = b""
        again: float | None = None
        try:
            async with client.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
                kept = _headers(response)
                again = retry_after(response.headers.get("Retry-After"))
                start, whole = await _start(response, self._timeout, started)
                if not whole:
                    error = f"The response was longer than {LARGEST_READ >> 10} kB; the rest was not read."
                    response.close()
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as exc:
            error = _why(exc)
        if status is not None and 300 <= status < 400:
            error = "Redirects are not followed."
        ms = round((time.perf_counter() - started) * 1000)
        return Answer(
            Attempt(
                at=at,
                status=status,
                ms=ms,
                error=error,
                response_headers=kept,
                response_body=_text(start[:KEPT_BODY].decode("utf-8", "replace")),
            ),
            again,
        )


async def _start(
    response: aiohttp.ClientResponse, timeout: float, started: float
) -> tuple[bytes, bool]:
    """The first 2 kB, and whether the response ended within bounds. What came in time is kept."""
    start = bytearray()
    read = 0
    try:
        async with asyncio.timeout(max(timeout - (time.perf_counter() - started), 0.0)):
            async for chunk in response.content.iter_any():
                start += chunk[: max(KEPT_BODY - len(start), 0)]
                read += len(chunk)
                if read > LARGEST_READ:
                    return bytes(start), False
    except TimeoutError:
        response.close()
        raise
    return bytes(start), True


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    kept: dict[str, str] = {}
    left = KEPT_IN_ALL
    for name, value in list(response.headers.items())[:KEPT_HEADERS]:
        name, value = _text(name)[:KEPT_VALUE], _text(value)[:KEPT_VALUE]
        left -= len(name) + len(value)
        if left < 0:
            break
        kept[name] = value
    return kept


def _text(value: str) -> str:
    """What JSON in Postgres can hold: no NUL, no lone surrogates."""
    return value.replace("\0", "�").encode("utf-8", "replace").decode()


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ConnectionTimeoutError, f"No connection within {CONNECT_TIMEOUT:.0f} s."),
    (TimeoutError, "No complete response in time."),
    (aiohttp.ClientConnectorCertificateError, "The certificate is not valid."),
    (aiohttp.ClientSSLError, "The TLS handshake failed."),
    (ssl.SSLError, "The TLS connection broke."),
    (aiohttp.ClientConnectorDNSError, "The host name could not be resolved."),
    (aiohttp.ClientConnectorError, "The connection was refused."),
    (aiohttp.ServerDisconnectedError, "The connection was closed before a response came."),
    (OSError, "The connection broke off."),
    (aiohttp.ClientPayloadError, "The response broke off."),
)


def _why(exc: BaseException) -> str:
    """In words for the endpoint's owner."""
    if blocked(exc):
        return "The address is private or reserved; nothing was sent."
    for kind, why in _REASONS:
        if isinstance(exc, kind):
            return why
    return f"The response could not be read ({type(exc).__name__})."

"""The guarded HTTP client for targets chosen by customers: pages, sitemaps, robots.txt.

Bounds on everything: addresses (see `netguard`), redirects, time, size as sent and as unpacked,
content types. No cookies, no proxies from the environment, no credentials.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from libs.common.netguard import AddressGuard, blocked
from libs.common.telemetry import FETCH_SECONDS, timed

USER_AGENT = "ChatteryBot/0.1 (+https://github.com/chattery)"
CONNECT_TIMEOUT = 5.0  # seconds
TOTAL_TIMEOUT = 30.0  # seconds, redirects included
MAX_BYTES = 10 << 20  # of the unpacked body
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
CHUNK = 64 << 10


class FetchError(Exception):
    """A page could not be had. ``code`` is stable, the message is for the owner of the item.

    ``retryable``: it may work another time.
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool = False, status: int = 0
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.status = status  # of HTTP, where there was an answer


class Fetched(msgspec.Struct, frozen=True):
    """What came. ``url`` is where redirects ended; ``body`` is unpacked, in full."""

    url: str
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    redirects: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Fetcher:
    """Fetches URLs that somebody else chose."""

    def __init__(self, session: aiohttp.ClientSession, guard: AddressGuard) -> None:
        self._session = session
        self.guard = guard

    @classmethod
    @asynccontextmanager
    async def open(
        cls, allow: Iterable[str] = (), *, user_agent: str = USER_AGENT, connections: int = 50
    ) -> AsyncGenerator["Fetcher"]:
        guard = AddressGuard(allow)
        session = aiohttp.ClientSession(
            connector=guard.connector(limit=connections, limit_per_host=8),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent},
            timeout=aiohttp.ClientTimeout(total=TOTAL_TIMEOUT, sock_connect=CONNECT_TIMEOUT),
            trust_env=False,
        )
        async with session:
            yield cls(session, guard)

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
        timeout: float = TOTAL_TIMEOUT,
        content_types: Collection[str] | None = None,
    ) -> Fetched:
        """GET, following redirects; a status of 200 or 304 is returned, any other raises.

        ``content_types`` are media types to accept, such as ``text/html``. Raises `FetchError`.
        """
        try:
            with timed(FETCH_SECONDS):
                async with asyncio.timeout(timeout):
                    return await self._follow(url, headers or {}, max_bytes, content_types)
        except FetchError:
            raise
        except TimeoutError as exc:
            raise FetchError(
                "timeout", f"The site did not answer within {timeout:.0f} seconds.", retryable=True
            ) from exc
        except aiohttp.ClientError as exc:
            raise _explain(exc, url) from exc
        except (ValueError, UnicodeError) as exc:
            raise FetchError("invalid_url", "The URL is not valid.") from exc

    async def _follow(
        self,
        url: str,
        headers: Mapping[str, str],
        max_bytes: int,
        content_types: Collection[str] | None,
    ) -> Fetched:
        passed: list[str] = []
        while True:
            reason = self.guard.refuses_url(url)
            if reason is not None:
                raise FetchError("blocked_url", reason)
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                target = response.headers.get("Location")
                if response.status in REDIRECTS and target:
                    passed.append(url)
                    if len(passed) > MAX_REDIRECTS:
                        raise FetchError("too_many_redirects", "The site redirects too often.")
                    url = urljoin(url, target)
                    continue
                _check(response, content_types)
                body = b"" if response.status == 304 else await _read(response, max_bytes)
                found = {name.lower(): value for name, value in response.headers.items()}
                return Fetched(str(response.url), response.status, found, body, tuple(passed))


def _check(response: aiohttp.ClientResponse, content_types: Collection[str] | None) -> None:
    status = response.status
    if status == 304:
        return
    if status != 200:
        retryable = status in (408, 425, 429) or status >= 500
        message = f"The site answered with status {status}."
        raise FetchError(f"http_{status}", message, retryable=retryable, status=status)
    kind = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if content_types is not None and kind and kind not in content_types:
        raise FetchError("content_type", f"The page is of a type that can't be read: {kind}.")


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if (response.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(CHUNK):
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(part)
    return b"".join(parts)


def _too_large(max_bytes: int) -> FetchError:
    return FetchError("too_large", f"The page is larger than {max_bytes >> 20} MB.")


def _explain(exc: aiohttp.ClientError, url: str) -> FetchError:
    host = urlsplit(url).hostname
    if blocked(exc):
        return FetchError("blocked_url", "The URL points to a private address.")
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return FetchError("dns", f"The name {host} could not be found.", retryable=True)
    if isinstance(exc, aiohttp.ClientSSLError) or isinstance(exc.__cause__, ssl.SSLError):
        return FetchError("tls", f"The certificate of {host} is not valid.")
    if isinstance(exc, aiohttp.ClientConnectorError):
        return FetchError("connection", f"No connection to {host}.", retryable=True)
    if isinstance(exc, aiohttp.InvalidURL):
        return FetchError("invalid_url", "The URL is not valid.")
    return FetchError("connection", "The site broke off its answer.", retryable=True)

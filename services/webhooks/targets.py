"""Where may be delivered to: judged when an endpoint is registered, and again at each connect."""

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit

from libs.common.netguard import Address, AddressGuard
from services.webhooks.errors import BadHeaders, BadUrl
from services.webhooks.names import Names

LOOKUP_TIMEOUT = 5.0  # seconds
_RESERVED = ("host", "connection", "transfer-encoding", "expect", "upgrade", "te", "trailer")
_OURS = ("content-", "webhook-", "x-chattery-", "proxy-")


class ExceptionsOnly(AddressGuard):
    """Plain http goes nowhere but to the addresses that configuration names."""

    def permits(self, address: Address | str) -> bool:
        return self.is_exception(address)


class Targets:
    """``allow``: CIDRs that may be delivered to though private. ``http``: plain http anywhere."""

    def __init__(self, allow: Iterable[str], *, http: bool) -> None:
        allow = tuple(allow)
        self.names = Names()
        self.https = AddressGuard(allow)
        self.http = AddressGuard(allow) if http else ExceptionsOnly(allow)
        self._http = http

    def guard(self, url: str) -> AddressGuard:
        return self.http if url[:5].lower() == "http:" else self.https

    async def check(self, url: str) -> None:
        """Raises `BadUrl` for what can be told now; the connect decides in the end."""
        if why := self.https.refuses_url(url):
            raise BadUrl(why, details={"field": "url"})
        parts = urlsplit(url)
        guard = self.guard(url)
        addresses = await self._addresses(str(parts.hostname), parts.port or 443)
        if any(not self.https.permits(address) for address in addresses):
            raise BadUrl("The URL points to a private address.", details={"field": "url"})
        if addresses and any(not guard.permits(address) for address in addresses):
            raise BadUrl("The URL must start with https://.", details={"field": "url"})
        if not addresses and guard is not self.https and not self._http:
            raise BadUrl("The URL must start with https://.", details={"field": "url"})

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Empty for a name that has no address now; it may have one when there is an event."""
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                found = await self.names.look_up(host, port)
        except (OSError, UnicodeError, TimeoutError):
            return []
        return [str(info[4][0]) for info in found]


def check_headers(headers: dict[str, str]) -> None:
    """Raises `BadHeaders` for names that are ours or the connection's."""
    for name in headers:
        lower = name.lower()
        if lower in _RESERVED or lower.startswith(_OURS):
            raise BadHeaders(f"The header {name} can't be set here.", details={"field": "headers"})

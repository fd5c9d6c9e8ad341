"""Which addresses may be connected to when the target was chosen by somebody else.

Server-side request forgery is stopped where it can't be talked around: at the socket, on the
address that is about to be connected to, so that literals, names, rebinding and every redirect
are all judged alike (OWASP SSRF prevention; RFC 6890 special-purpose registries). Only globally
reachable unicast addresses pass; forms that embed an IPv4 address (mapped, 6to4, Teredo, NAT64)
never do. Exceptions are configuration: a list of CIDRs.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import aiohttp

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED = tuple(
    ipaddress.ip_network(cidr)
    for cidr in (
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "168.63.129.16/32",  # a cloud's host agent, global by number alone
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "::ffff:0:0/96",  # IPv4-mapped
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64 local, RFC 8215
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)


class BlockedAddress(OSError):
    """The target's address is not one that may be connected to."""

    def __init__(self, address: str) -> None:
        super().__init__(f"blocked address {address}: private or special-purpose")
        self.address = address


class AddressGuard:
    """Judges addresses; ``allow`` is a list of CIDRs that pass whatever they are."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allow = tuple(ipaddress.ip_network(cidr, strict=False) for cidr in allow)

    def permits(self, address: Address | str) -> bool:
        """Whether this address may be connected to."""
        if isinstance(address, str):
            try:
                address = ipaddress.ip_address(address.partition("%")[0])
            except ValueError:
                return False
        if self.is_exception(address):
            return True
        if any(address in network for network in _REFUSED if network.version == address.version):
            return False
        return address.is_global and not (address.is_multicast or address.is_reserved)

    def is_exception(self, address: Address | str) -> bool:
        """Whether configuration names this address explicitly."""
        if isinstance(address, str):
            try:
                address = ipaddress.ip_address(address.partition("%")[0])
            except ValueError:
                return False
        return any(address in net for net in self._allow if net.version == address.version)

    def refuses_url(self, url: str) -> str | None:
        """Why this URL can be refused without looking up its name, or None.

        Only what is certain: a bad scheme, credentials, an address literal in any of the forms
        that a resolver takes (``0x7f.1``, ``2130706433``), a name that is always local.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return "The URL is not valid."
        if parts.scheme not in ("http", "https"):
            return "The URL must start with http:// or https://."
        if not host or any(c.isspace() for c in url):
            return "The URL is not valid."
        if parts.username or parts.password:
            return "The URL must not contain a user name or password."
        host = host.rstrip(".")
        literal = _literal(host)
        if literal is not None:
            return None if self.permits(literal) else "The URL points to a private address."
        local = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
        if local and not self.is_exception("127.0.0.1"):
            return "The URL points to a private address."
        return None

    def socket_factory(self, info: tuple[Any, ...]) -> socket.socket:
        """For ``aiohttp.TCPConnector(socket_factory=...)``: raises `BlockedAddress`."""
        family, kind, proto, _, address = info
        if not self.permits(address[0]):
            raise BlockedAddress(address[0])
        return socket.socket(family=family, type=kind, proto=proto)

    def connector(self, **kwargs: Any) -> aiohttp.TCPConnector:
        """A connector whose every connection is judged. Names are looked up anew each time."""
        kwargs.setdefault("use_dns_cache", False)
        return aiohttp.TCPConnector(socket_factory=self.socket_factory, **kwargs)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if not host[:1].isdigit():
        return None
    try:
        return ipaddress.ip_address(socket.inet_aton(host))  # 127.1, 0x7f000001, 017700000001
    except (OSError, ValueError):
        return None


def blocked(exc: BaseException) -> bool:
    """Whether a client error comes from the guard, however deep it is wrapped."""
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, BlockedAddress) or "blocked address" in str(seen):
            return True
        inner = getattr(seen, "os_error", None)
        seen = inner if isinstance(inner, BaseException) and inner is not seen else seen.__cause__
    return False

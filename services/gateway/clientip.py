"""The client's address: from the connection, or from proxies we trust, and from nobody else.

With trusted proxies, ``X-Forwarded-For`` (or ``Forwarded``, RFC 7239) is read from the right to
the first hop that is not one of them. Anything a client wrote further left is ignored.
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FOR = re.compile(r'(?:^|[;,])\s*for=(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)
MAX_HOPS = 32


def networks(cidrs: Sequence[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)


def client_ip(
    peer: str, forwarded_for: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]
) -> str:
    """The address to count and to log; ``peer`` itself unless it is trusted."""
    address = _parse(peer)
    if address is None:
        return peer
    if not trusted or not _within(address, trusted):
        return str(address)
    for hop in reversed(_hops(forwarded_for, forwarded)[-MAX_HOPS:]):
        found = _parse(hop)
        if found is None:  # garbage: nothing left of it can be believed
            break
        address = found
        if not _within(address, trusted):
            break
    return str(address)


def counted(ip: str) -> str:
    """Whom a limit counts: an IPv4 address, or the /64 an IPv6 address is in."""
    address = _parse(ip)
    if isinstance(address, IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address) if address else ip


def _hops(forwarded_for: Sequence[str], forwarded: Sequence[str]) -> list[str]:
    if forwarded_for:
        return [hop.strip() for hop in ",".join(forwarded_for).split(",")]
    return [a or b for a, b in _FOR.findall(",".join(forwarded))]


@lru_cache(maxsize=4_096)
def _parse(text: str) -> Address | None:
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (getattr(address, "ipv4_mapped", None)) or address


def _within(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address.version == net.version and address in net for net in trusted)

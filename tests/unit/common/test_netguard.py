"""Which addresses a target chosen by somebody else may have."""

import pytest

from libs.common.netguard import AddressGuard, blocked

PRIVATE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "any": ["0.0.0.0", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:10.0.0.1"],
    "IPv4-compatible": ["::7f00:1", "::8.8.8.8"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::1", "2002:808:808::1", "192.88.99.1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "multicast": ["224.0.0.1", "239.1.1.1", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.8"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"],
    "benchmarking": ["198.18.0.1"],
    "site-local": ["fec0::1"],
    "a cloud's host agent": ["168.63.129.16"],
    "no address": ["example.com", "", "1.2.3", "fe80::zz"],
}
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize(
    "address", [pytest.param(a, id=f"{kind}-{a}") for kind, all_ in PRIVATE.items() for a in all_]
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not AddressGuard().permits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_passes(address: str) -> None:
    assert AddressGuard().permits(address)


def test_only_what_is_listed_is_an_exception() -> None:
    guard = AddressGuard(["10.1.0.0/16", "::1/128"])
    assert guard.permits("10.1.2.3")
    assert guard.permits("::1")
    assert not guard.permits("10.2.0.1")
    assert not guard.permits("127.0.0.1")
    assert not guard.permits("::ffff:10.1.2.3")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://db.internal/",
        "http://printer.local/",
        "http://user:secret@example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "http://",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "example.com",
        "",
    ],
)
def test_a_url_that_cannot_be_right_is_refused_before_any_lookup(url: str) -> None:
    assert AddressGuard().refuses_url(url)


@pytest.mark.parametrize("url", ["http://example.com", "https://example.com:8443/a?b=c#d"])
def test_a_plain_url_passes(url: str) -> None:
    assert AddressGuard().refuses_url(url) is None


def test_a_refusal_is_recognised_however_deep_it_is_wrapped() -> None:
    guard = AddressGuard()
    try:
        try:
            guard.socket_factory((2, 1, 6, "", ("10.0.0.1", 80)))
        except OSError as inner:
            raise ConnectionError("no connection") from inner
    except ConnectionError as exc:
        assert blocked(exc)
    assert not blocked(ConnectionError("refused"))

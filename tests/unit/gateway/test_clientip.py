"""Whose request it is: nobody but a trusted proxy is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.clientip import client_ip, counted, networks

PROXIES = networks(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("198.51.100.7", ["203.0.113.1"], "198.51.100.7"),  # not a proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.1"], "203.0.113.1"),  # what is left of it is a claim
        ("10.0.0.1", ["203.0.113.1, 10.0.0.2"], "203.0.113.1"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.1"], "203.0.113.1"),  # two headers are one list
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1:4711"], "203.0.113.1"),
        ("10.0.0.1", ["[2001:db8::1]:80"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("fd00::1", ["203.0.113.1"], "203.0.113.1"),
    ],
)
def test_the_first_hop_from_the_right_that_is_not_ours_is_the_client(
    peer: str, forwarded_for: list[str], expected: str
) -> None:
    assert client_ip(peer, forwarded_for, [], PROXIES) == expected


def test_the_standard_header_is_read_where_the_other_is_not_sent() -> None:
    header = ['for=192.0.2.60;proto=http, for="[2001:db8:cafe::17]:4711"']
    assert client_ip("10.0.0.1", [], header, PROXIES) == "2001:db8:cafe::17"


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    assert counted("2001:db8:1:2:3:4:5:6") == counted("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert counted("203.0.113.1") == "203.0.113.1"
    assert counted("::ffff:203.0.113.1") == "203.0.113.1"


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_header_breaks_it(forwarded_for: str, forwarded: str) -> None:
    assert client_ip("10.0.0.1", [forwarded_for], [forwarded], PROXIES)

"""Limits counted in the gateway itself."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.limits import Policy, parse
from services.gateway.locallimits import LocalLimits


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(
    limit=st.integers(1, 5),
    window=st.integers(1, 10),
    gaps=st.lists(st.integers(0, 8_000), max_size=60),
)
def test_the_log_admits_exactly_what_a_sliding_window_does(
    limit: int, window: int, gaps: list[int]
) -> None:
    clock, policy = Clock(), Policy(limit=limit, window=window)
    limits = LocalLimits(clock)
    admitted: list[float] = []
    for gap in gaps:
        clock.now += gap / 1024  # exact in binary
        within = [t for t in admitted if t > clock.now - window]
        wait = limits.wait("chat", "ip", policy)
        assert (wait == 0) == (len(within) < limit)
        if wait == 0:
            limits.add("chat", "ip", policy)
            admitted.append(clock.now)
        else:
            assert wait == within[-limit] + window - clock.now


@given(st.lists(st.integers(0, 3_000), max_size=200))
def test_the_counter_never_admits_twice_the_limit(gaps: list[int]) -> None:
    clock, policy = Clock(), Policy(limit=10, window=10, exact=False)
    limits = LocalLimits(clock)
    admitted: list[float] = []
    for gap in gaps:
        clock.now += gap / 1000
        if limits.wait("api", "a", policy) == 0:
            limits.add("api", "a", policy)
            admitted.append(clock.now)
    for start in admitted:
        assert sum(start <= t < start + 10 for t in admitted) < 20


def test_a_request_counts_from_when_it_arrived_not_from_when_it_was_admitted() -> None:
    clock, policy = Clock(), Policy(limit=2, window=10)
    limits = LocalLimits(clock)
    limits.add("chat", "ip", policy, arrived=1_000.0)
    limits.add("chat", "ip", policy, arrived=999.0)  # asked about for longer
    clock.now = 1_005.0
    assert limits.wait("chat", "ip", policy) == 4.0
    clock.now = 1_009.0
    assert limits.wait("chat", "ip", policy) == 0.0


def test_the_number_of_windows_is_bounded() -> None:
    limits = LocalLimits()
    policy = Policy(limit=1, window=60)
    for n in range(20_050):
        limits.add("chat", str(n), policy)
    assert len(limits._windows) == 20_000


def test_a_policy_file_changes_what_it_names_and_leaves_the_rest() -> None:
    found = parse(b"""
policies:
  chat: {limit: 20}
  upload: null
  import: {limit: 3, window: 10, scope: account}
plans:
  free: {chat: {limit: 5}, scrape: null}
""")
    chat = found.find("chat")
    assert chat is not None
    assert (chat.limit, chat.window, chat.scope) == (20, 60, "ip")
    assert found.find("upload") is None
    assert found.find("scrape") is not None
    assert found.find("scrape", "free") is None
    free = found.find("chat", "free")
    assert free is not None
    assert free.limit == 5

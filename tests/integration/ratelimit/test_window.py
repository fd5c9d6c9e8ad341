"""The sliding window is exact, whatever happens to Valkey."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from libs.common.limits import Policy
from services.ratelimit.window import Charge, Windows
from tests.integration.ratelimit.conftest import Clocked, hit, hits

CHAT = Policy(limit=10, window=60, scope="ip")


class Model:
    """What a sliding window is by definition."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.admitted: list[float] = []

    def hit(self, now: float) -> bool:
        within = [t for t in self.admitted if t > now - self.window]
        if len(within) >= self.limit:
            return False
        self.admitted.append(now)
        return True


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    limit=st.integers(1, 6),
    window=st.integers(1, 20),
    gaps=st.lists(st.integers(0, 12_000), max_size=40),
)
async def test_any_sequence_of_arrivals_is_judged_as_the_definition_says(
    clocked: Clocked, redis: Redis, limit: int, window: int, gaps: list[int]
) -> None:
    await redis.delete("rl:{p}:chat:" + f"{float(window):g}")
    policy, model = Policy(limit=limit, window=window), Model(limit, window)
    now = 2_000_000.0
    for gap in gaps:
        now = round(now + gap / 1000, 3)
        await clocked.at(now)
        decision = await hit(clocked, "p", policy)
        assert decision.allowed == model.hit(now)
        if not decision.allowed:
            oldest = sorted(t for t in model.admitted if t > now - window)[-limit]
            assert abs(decision.retry_after - (oldest + window - now)) < 1e-3
    for start in model.admitted:
        assert sum(start <= t < start + window for t in model.admitted) <= limit


async def test_two_hundred_at_once_on_one_key_admit_exactly_the_limit(
    windows: Windows, somebody: str
) -> None:
    assert await hits(windows, 200, somebody, CHAT) == 10


async def test_a_refusal_says_exactly_when_to_come_back(clocked: Clocked, somebody: str) -> None:
    policy = Policy(limit=2, window=10)
    await hit(clocked, somebody, policy)
    await clocked.at(1_000_004)
    await hit(clocked, somebody, policy)
    refused = await hit(clocked, somebody, policy)
    assert (refused.allowed, refused.denied_by, refused.retry_after) == (False, "chat", 6.0)
    await clocked.at(1_000_009.999)
    assert not (await hit(clocked, somebody, policy)).allowed
    await clocked.at(1_000_010)
    assert (await hit(clocked, somebody, policy)).allowed


async def test_a_refusal_by_one_limit_charges_none(windows: Windows, somebody: str) -> None:
    tight, wide = Policy(limit=1, window=60), Policy(limit=5, window=60)
    charges = [Charge("tight", somebody, tight), Charge("wide", somebody, wide)]
    assert (await windows.charge(charges))[0].allowed
    for _ in range(3):
        assert (await windows.charge(charges))[0].denied_by == "tight"
    assert (await hit(windows, somebody, wide, "wide")).limits[0].remaining == 3


async def test_a_policy_in_shadow_reports_and_never_refuses(
    windows: Windows, somebody: str
) -> None:
    shadow = Policy(limit=1, window=60, shadow=True)
    await windows.charge([Charge("chat", somebody, shadow)])
    decision, reported = await windows.charge([Charge("chat", somebody, shadow)])
    assert decision.allowed
    assert reported == ["chat"]


async def test_a_flushed_script_is_loaded_again(
    windows: Windows, redis: Redis, somebody: str
) -> None:
    await hits(windows, 10, somebody, CHAT)
    await redis.script_flush()
    assert not (await hit(windows, somebody, CHAT)).allowed


async def test_a_clock_set_back_locks_nobody_out_and_admits_nobody_twice(
    clocked: Clocked, somebody: str
) -> None:
    policy = Policy(limit=3, window=10)
    for _ in range(3):
        await hit(clocked, somebody, policy)
    await clocked.at(1_000_000 - 3_600)
    refused = await hit(clocked, somebody, policy)
    assert not refused.allowed
    assert refused.retry_after <= 10
    await clocked.at(1_000_000 - 3_600 + 10)
    assert (await hit(clocked, somebody, policy)).allowed


async def test_a_clock_that_is_set_forward_and_right_again_leaves_the_count_exact(
    clocked: Clocked, somebody: str
) -> None:
    policy = Policy(limit=3, window=10)
    assert (await hit(clocked, somebody, policy)).allowed
    await clocked.at(1_000_000 + 3_600)
    assert (await hit(clocked, somebody, policy)).allowed
    await clocked.at(1_000_001)
    found = [await hit(clocked, somebody, policy) for _ in range(4)]
    assert [one.allowed for one in found] == [True, True, False, False]
    assert 0 < found[-1].retry_after <= 10


async def test_a_window_is_gone_once_it_is_empty(
    windows: Windows, redis: Redis, somebody: str
) -> None:
    await hit(windows, somebody, Policy(limit=1, window=0.2))
    async with asyncio.timeout(30):
        while await redis.keys(f"rl:*{somebody}*"):
            await asyncio.sleep(0.1)


async def test_a_large_window_stays_small_and_is_trimmed_at_once(
    clocked: Clocked, redis: Redis, somebody: str
) -> None:
    policy = Policy(limit=5_000, window=60)
    charge = Charge("api", somebody, policy, 5_000)
    assert (await clocked.charge([charge]))[0].allowed
    assert not (await hit(clocked, somebody, policy, "api")).allowed
    assert (await redis.memory_usage(charge.key) or 0) < 5_000 * 12
    await clocked.at(1_000_060)
    assert (await hit(clocked, somebody, policy, "api")).limits[0].remaining == 4_999

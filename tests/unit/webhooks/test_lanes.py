"""Places: those that answer get more, those that hang keep one, no account takes all."""

from typing import Any

import pytest

from services.webhooks import lanes
from services.webhooks.lanes import Job, Lane, Lanes
from services.webhooks.store.queue import Busy, Claimed

numbers = iter(range(1_000_000))


def job(endpoint: str = "whk_a", key: str = "", account: str = "acc_a") -> Job:
    busy = Busy(endpoint, account, "https://example.com", {}, (b"",), None)
    n = next(numbers)
    return Job(
        Claimed(n, f"dlv_{n}", endpoint, f"evt_{n}", "new_message", key, 0, b"{}", None), busy, 0
    )


class Started(list[Lane]):
    def of(self, endpoint: str) -> list[Lane]:
        return [lane for lane in self if lane[0].endpoint.id == endpoint]


@pytest.fixture
def started() -> Started:
    return Started()


def test_one_conversation_is_one_lane_in_order(started: Started) -> None:
    jobs = [job(key="conv_a") for _ in range(3)]
    Lanes(started.append, 10).add([*jobs, job(key="conv_b")])
    assert [list(lane) for lane in started] == [jobs, [started[1][0]]]


def test_an_endpoint_begins_with_a_few_places_and_earns_more(started: Started) -> None:
    held = Lanes(started.append, 1_000)
    held.add([job() for _ in range(100)])
    assert len(started) == lanes.FIRST_PLACES
    for _ in range(3):
        held.endpoint("whk_a").answered(well=True, seconds=0.01)
    held.pump()
    assert len(started) == lanes.MOST_PLACES


def test_an_endpoint_that_fails_keeps_one_place(started: Started) -> None:
    held = Lanes(started.append, 1_000)
    for _ in range(5):
        held.endpoint("whk_a").answered(well=False, seconds=15)
    held.add([job() for _ in range(10)])
    assert len(started) == 1


def test_no_account_takes_all_places(started: Started) -> None:
    held = Lanes(started.append, 512)
    held.add([job(f"whk_{n}") for n in range(100) for _ in range(4)])
    assert len(started) == lanes.MOST_OF_ACCOUNT
    held.add([job("whk_other", account="acc_b")])
    assert len(started.of("whk_other")) == 1

    held.finished("whk_0")
    assert len(started) == lanes.MOST_OF_ACCOUNT + 2


def test_the_process_has_a_bound_and_takes_turns(started: Started) -> None:
    held = Lanes(started.append, 6)
    held.add([job("whk_a", account="acc_a") for _ in range(50)])
    held.add([job("whk_b", account="acc_b") for _ in range(50)])
    assert (len(started.of("whk_a")), len(started.of("whk_b"))) == (4, 2)


def test_what_was_queued_for_one_endpoint_can_be_taken_back(started: Started) -> None:
    held = Lanes(started.append, 1)
    held.add([job("whk_a"), job("whk_b"), job("whk_b")])
    taken = held.take_queued("whk_b")
    assert [one.endpoint.id for one in taken] == ["whk_b", "whk_b"]
    assert held.queued == 0
    rest: list[Any] = held.take_queued()
    assert rest == []

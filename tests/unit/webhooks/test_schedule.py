"""When a failed delivery is tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.webhooks import schedule


def test_the_default_is_the_documented_one() -> None:
    hours = [step / 3_600 for step in schedule.parse(schedule.DEFAULT)]
    assert hours == pytest.approx([5 / 3_600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24])


@pytest.mark.parametrize("text", ["", "5", "5s,", "x", "-1s", "1w"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        schedule.parse(text)


@given(st.integers(min_value=1, max_value=9))
def test_each_wait_has_a_fifth_of_jitter(tries: int) -> None:
    steps = schedule.parse(schedule.DEFAULT)
    wait = schedule.delay(steps, tries, None)
    assert wait is not None
    assert 0.8 * steps[tries - 1] <= wait <= 1.2 * steps[tries - 1]


def test_the_schedule_has_an_end() -> None:
    assert schedule.delay((1.0, 2.0), 3, 10.0) is None


def test_retry_after_makes_a_wait_longer_up_to_an_hour_and_never_shorter() -> None:
    assert schedule.delay((5.0,), 1, 60.0) == 60.0
    assert schedule.delay((5.0,), 1, 1e9) == schedule.LONGEST_RETRY_AFTER
    assert (schedule.delay((5.0,), 1, 0.0) or 0) >= 4.0


def test_retry_after_is_a_number_or_a_date() -> None:
    assert schedule.retry_after("120") == 120.0
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert schedule.retry_after(date) == pytest.approx(90, abs=5)
    assert schedule.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@given(st.text(max_size=60))
def test_whatever_a_receiver_sends_as_retry_after_is_read_or_ignored(text: str) -> None:
    found = schedule.retry_after(text)
    assert found is None or found >= 0

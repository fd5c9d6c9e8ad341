"""Business hours, in the chatbot's own time zone."""

from datetime import UTC, datetime

import pytest

from libs.common.calls import Handoff, OpenHours
from services.chat import hours, texts
from services.chat.errors import BadTimezone

OFFICE = Handoff(
    timezone="Europe/Berlin",
    business_hours=[OpenHours(day=day, open="09:00", close="17:00") for day in range(1, 6)],
    out_of_hours_message="",
)
NIGHT = Handoff(business_hours=[OpenHours(day=7, open="22:00", close="02:00")])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-04-13T06:59", False),  # Monday, 08:59 in Berlin in summer
        ("2026-04-13T07:00", True),
        ("2026-04-13T14:59", True),
        ("2026-04-13T15:00", False),
        ("2026-01-12T07:30", False),  # 08:30 in Berlin in winter
        ("2026-01-12T08:00", True),
        ("2026-04-18T10:00", False),  # Saturday
    ],
)
def test_hours_follow_the_clock_of_the_place(moment: str, is_open: bool) -> None:
    assert hours.are_open(OFFICE, at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-04-12T23:00", True),  # Sunday
        ("2026-04-13T01:59", True),
        ("2026-04-13T02:00", False),
        ("2026-04-13T23:00", False),
        ("2026-04-12T01:00", False),
    ],
)
def test_a_night_shift_goes_on_past_midnight(moment: str, is_open: bool) -> None:
    assert hours.are_open(NIGHT, at(moment)) is is_open


def test_without_hours_people_are_always_there() -> None:
    assert hours.are_open(Handoff(), at("2026-04-12T03:00"))


def test_the_notice_tells_who_comes_and_when() -> None:
    assert hours.notice(OFFICE, "en", at("2026-04-13T08:00")) == texts.HANDED_OVER
    assert hours.notice(OFFICE, "de", at("2026-04-12T08:00")) == texts.text(
        texts.OUT_OF_HOURS, "de"
    )
    own = Handoff(business_hours=OFFICE.business_hours, out_of_hours_message="Back on Monday.")
    assert hours.notice(own, "de", at("2026-04-12T08:00")) == "Back on Monday."


def test_an_unknown_time_zone_is_refused() -> None:
    for zone in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(BadTimezone):
            hours.check(Handoff(timezone=zone))

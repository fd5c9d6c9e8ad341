"""Whether people are there: business hours in the chatbot's own time zone."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from libs.common.calls import Handoff, OpenHours
from services.chat import texts
from services.chat.errors import BadTimezone


def check(handoff: Handoff) -> None:
    """Raise `BadTimezone` unless the time zone is known."""
    try:
        ZoneInfo(handoff.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise BadTimezone from exc


def are_open(handoff: Handoff, now: datetime) -> bool:
    """Whether ``now`` lies in one of the stretches; always, where none are given."""
    if not handoff.business_hours:
        return True
    local = now.astimezone(ZoneInfo(handoff.timezone))
    day, clock = local.isoweekday(), local.strftime("%H:%M")
    return any(_within(hours, day, clock) for hours in handoff.business_hours)


def _within(hours: OpenHours, day: int, clock: str) -> bool:
    """A stretch that closes no later than it opens goes on past midnight."""
    if hours.open < hours.close:
        return day == hours.day and hours.open <= clock < hours.close
    if day == hours.day:
        return clock >= hours.open
    return day == hours.day % 7 + 1 and clock < hours.close


def notice(handoff: Handoff, language: str, now: datetime) -> str:
    """What a visitor is told who is passed on to people now."""
    if are_open(handoff, now):
        return texts.text(texts.HANDED_OVER, language)
    return closed(handoff, language)


def closed(handoff: Handoff, language: str) -> str:
    return handoff.out_of_hours_message or texts.text(texts.OUT_OF_HOURS, language)

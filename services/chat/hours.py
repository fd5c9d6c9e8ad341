"""Whether people are there: business hours in the chatbot's own time zone."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from libs.common.calls import Handoff
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
    clock = local.strftime("%H:%M")
    return any(
        hours.day == local.isoweekday() and hours.open <= clock < hours.close
        for hours in handoff.business_hours
    )


def notice(handoff: Handoff, language: str, now: datetime) -> str:
    """What a visitor is told who is passed on to people now."""
    told = texts.text(texts.HANDED_OVER, language)
    if are_open(handoff, now):
        return told
    return f"{told} {closed(handoff, language)}"


def closed(handoff: Handoff, language: str) -> str:
    return handoff.out_of_hours_message or texts.text(texts.OUT_OF_HOURS, language)

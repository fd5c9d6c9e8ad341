"""Calls of the chat service: questions and their answers, analytics, usage."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, UnsetType

from libs.common.calls.knowledge import NoParameters
from libs.common.calls.shapes import (
    Done,
    Erase,
    Erased,
    Id,
    Language,
    Limit,
    Range,
    Reply,
    Request,
    Text,
    Timestamp,
)
from libs.common.envelope import Endpoint

# -- asking ----------------------------------------------------------------------------------


class Ask(Request, frozen=True, kw_only=True):
    """A visitor's message. The gateway picks ``answer_id`` and listens before it asks."""

    chatbot_id: Id
    message: Text
    visitor_id: Id | None = None
    conversation_id: Id | None = None
    language: Language | None = None
    client_message_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    metadata: dict[str, Any] = {}
    answer_id: str | UnsetType = msgspec.UNSET


class Asked(Reply, frozen=True, kw_only=True):
    """``answer_id`` differs from the one asked with when this message was asked before."""

    conversation_id: str
    visitor_id: str
    message_id: str  # of the visitor's message
    answer_id: str
    repeated: bool = False


class GetAnswer(Request, frozen=True, kw_only=True):
    chatbot_id: Id
    answer_id: Id
    after: int | None = None


class AnswerState(Reply, frozen=True, kw_only=True):
    """``frames`` is every frame of a finished answer; a running one is read from the bus."""

    answer_id: str
    conversation_id: str
    running: bool
    frames: list[str]  # the JSON of each frame's data, number n at index n - 1


class StopAnswer(Request, frozen=True, kw_only=True):
    chatbot_id: Id
    answer_id: Id


MESSAGE_CREATE = Endpoint("chat.messages.create", Ask, Asked)
ANSWER_GET = Endpoint("chat.answers.get", GetAnswer, AnswerState)
ANSWER_STOP = Endpoint("chat.answers.stop", StopAnswer, Done)

# -- analytics and usage ---------------------------------------------------------------------


class DayOfChat(Reply, frozen=True, kw_only=True):
    day: str  # YYYY-MM-DD, UTC
    conversations: int
    messages: int
    escalations: int
    up: int
    down: int


class Overview(Reply, frozen=True, kw_only=True):
    """Rates are from 0 to 1, times in milliseconds; None where nothing was counted.

    ``resolution_rate``: conversations the bot settled, no question left open and nobody called.
    ``escalation_rate``: those that went to people.
    """

    conversations: int
    messages: int
    answers: int
    abstained: int
    resolved: int
    escalated: int
    resolution_rate: float | None
    escalation_rate: float | None
    up: int
    down: int
    first_token_ms_p50: float | None
    first_token_ms_p95: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float
    languages: dict[str, int]
    days: list[DayOfChat]


class UnansweredGroup(Reply, frozen=True, kw_only=True):
    """Questions that mean the same, with the Q&A pair an agent's reply suggests."""

    id: str
    question: str
    count: int
    examples: list[str]
    last_asked_at: Timestamp
    conversation_ids: list[str]
    draft: str | None


class UnansweredGroups(Reply, frozen=True, kw_only=True):
    data: list[UnansweredGroup]


class ListUnanswered(Range, frozen=True, kw_only=True):
    limit: Limit = 20


class DismissUnanswered(Request, frozen=True, kw_only=True):
    id: Id


class ChatUsage(Reply, frozen=True, kw_only=True):
    chatbots: int
    messages: int  # visitors' messages in the current month, UTC
    tokens: int


ANALYTICS_OVERVIEW = Endpoint("chat.analytics.overview", Range, Overview)
ANALYTICS_UNANSWERED = Endpoint("chat.analytics.unanswered", ListUnanswered, UnansweredGroups)
UNANSWERED_DISMISS = Endpoint("chat.analytics.dismiss", DismissUnanswered, Done)
CHAT_USAGE = Endpoint("chat.usage.get", NoParameters, ChatUsage)
CHAT_ERASE = Endpoint("chat.erase", Erase, Erased)

"""Facts that services tell each other and, the public ones, integrators.

An event is built only by its typed constructor and put into the outbox of the transaction that
caused it. Fields are camelCase on the wire, in the documented order; changes are additive.
"""

from datetime import UTC, datetime
from typing import ClassVar, Literal

import msgspec

from libs.common.ids import new_id

Sender = Literal["visitor", "bot", "admin", "system"]
Rating = Literal["up", "down"]


class EventData(msgspec.Struct, frozen=True, rename="camel", tag_field="event"):
    """What happened. The class' tag is the event's name."""

    public: ClassVar[bool] = True  # webhooks may subscribe to it


class NewConversation(EventData, frozen=True, tag="new_conversation"):
    conversation_id: str
    chatbot_id: str
    visitor_id: str
    language: str


class NewMessage(EventData, frozen=True, tag="new_message"):
    conversation_id: str
    chatbot_id: str
    message_id: str
    message: str
    sender: Sender
    visitor_id: str


class Escalation(EventData, frozen=True, tag="escalation"):
    conversation_id: str
    chatbot_id: str
    visitor_id: str
    reason: str
    by: Literal["visitor", "bot", "agent"]
    summary: str


class FeedbackReceived(EventData, frozen=True, tag="feedback_received"):
    conversation_id: str
    chatbot_id: str
    message_id: str
    rating: Rating
    comment: str | None
    visitor_id: str


class AdminReply(EventData, frozen=True, tag="admin_reply"):
    conversation_id: str
    chatbot_id: str
    message_id: str
    message: str
    admin_id: str
    visitor_id: str


class ChatbotDeleted(EventData, frozen=True, tag="chatbot_deleted"):
    public: ClassVar[bool] = False
    chatbot_id: str
    job_id: str = ""


class AccountDeleted(EventData, frozen=True, tag="account_deleted"):
    public: ClassVar[bool] = False
    account_id: str
    job_id: str = ""


class KnowledgeIndexed(EventData, frozen=True, tag="knowledge_indexed"):
    public: ClassVar[bool] = False
    knowledge_id: str
    chatbot_id: str
    status: str
    title: str


AnyEvent = (
    NewConversation
    | NewMessage
    | Escalation
    | FeedbackReceived
    | AdminReply
    | ChatbotDeleted
    | AccountDeleted
    | KnowledgeIndexed
)

PUBLIC_EVENTS: tuple[str, ...] = (
    "new_conversation",
    "new_message",
    "escalation",
    "feedback_received",
    "admin_reply",
)


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """An event with what identifies and routes it.

    ``key`` orders: two events of one key reach the stream in the order they were committed.
    """

    id: str
    account_id: str
    chatbot_id: str
    key: str
    occurred_at: datetime
    data: AnyEvent
    traceparent: str = ""

    @property
    def name(self) -> str:
        return str(self.data.__struct_config__.tag)

    @property
    def subject(self) -> str:
        return f"events.{self.account_id}.{self.chatbot_id or '-'}.{self.name}"


def make(data: AnyEvent, *, account: str, chatbot: str, key: str, traceparent: str = "") -> Event:
    """A new event that happened now."""
    now = datetime.now(UTC)
    return Event(new_id("evt"), account, chatbot, key, now, data, traceparent)


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Event).decode


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with ``Z``, to the second, as in the documented payload."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def payload(event: Event) -> bytes:
    """The body a webhook receives: ``{"event", "timestamp", "data"}``, keys in this order."""
    data = msgspec.to_builtins(event.data)
    name = data.pop("event")
    return msgspec.json.encode(
        {"event": name, "timestamp": timestamp(event.occurred_at), "data": data}
    )

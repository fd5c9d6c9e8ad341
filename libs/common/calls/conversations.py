"""Calls of the chat service: conversations, what people do in them, and what happens as it happens."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from libs.common.calls.shapes import (
    ById,
    Deletion,
    Done,
    Id,
    Listing,
    Page,
    Reply,
    Request,
    Tag,
    Text,
    Timestamp,
)
from libs.common.envelope import Endpoint
from libs.common.events import Rating, Sender

ConversationStatus = Literal["open", "escalated", "resolved"]
FinishReason = Literal["complete", "stopped", "no_answer", "escalated", "error"]


class Source(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """What an answer rests on. ``quote`` is the span of the knowledge that supports it."""

    id: str
    knowledge_id: str
    title: str
    url: str | None = None
    page: int | None = None
    quote: str


class EscalationState(Reply, frozen=True, kw_only=True):
    reason: str
    by: Literal["visitor", "bot", "agent"]
    at: Timestamp
    summary: str


class Conversation(Reply, frozen=True, kw_only=True):
    id: str
    chatbot_id: str
    visitor_id: str
    status: ConversationStatus
    language: str
    tags: list[str]
    assignee_id: str | None
    escalation: EscalationState | None
    message_count: int
    last_message_at: Timestamp | None
    created_at: Timestamp
    answer_id: str | None = None  # of the answer that runs now
    preview: str = ""  # the beginning of the last message


class FeedbackState(Reply, frozen=True, kw_only=True):
    rating: Rating
    comment: str | None


class Message(Reply, frozen=True, kw_only=True):
    id: str
    conversation_id: str
    sender: Sender
    text: str
    sources: list[Source]
    feedback: FeedbackState | None
    author: str | None = None  # the name of a person who replied
    created_at: Timestamp
    status: Literal["sent", "answering", "complete", "stopped", "no_answer", "escalated", "error"]
    internal: bool = False  # a note, never shown to visitors
    answer_id: str | None = None


class ListConversations(Listing, frozen=True, kw_only=True):
    chatbot_id: Id | None = None
    status: ConversationStatus | None = None
    tag: Tag | None = None
    visitor_id: Id | None = None
    assignee_id: Id | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None
    from_: Timestamp | None = None
    to: Timestamp | None = None
    sort: Literal["created", "activity"] = "created"  # newest first, or last written in first


class ListMessages(Listing, frozen=True, kw_only=True):
    """``newest`` first is for whoever shows the end of a long conversation at once."""

    id: Id
    order: Literal["oldest", "newest"] = "oldest"


class ReplyToConversation(Request, frozen=True, kw_only=True):
    id: Id
    message: Text
    force: bool = False


class SetTags(Request, frozen=True, kw_only=True):
    id: Id
    tags: Annotated[list[Tag], Meta(max_length=50)]
    mode: Literal["add", "replace"] = "add"


class ExportConversation(Request, frozen=True, kw_only=True):
    id: Id
    format: Literal["csv", "transcript", "json"] = "csv"


class ExportPart(Reply, frozen=True, kw_only=True):
    """A part of the file, in order."""

    content: str


class Escalate(Request, frozen=True, kw_only=True):
    id: Id
    reason: Annotated[str, Meta(max_length=1_000)] = ""


class Assign(Request, frozen=True, kw_only=True):
    id: Id
    user_id: Id | None


class AddNote(Request, frozen=True, kw_only=True):
    id: Id
    text: Text


class GiveFeedback(Request, frozen=True, kw_only=True):
    id: Id
    message_id: Id
    rating: Rating
    comment: Annotated[str, Meta(max_length=2_000)] | None = None


class Typing(Request, frozen=True, kw_only=True):
    """Someone is typing; who is in the context."""

    id: Id


class LiveEvent(Reply, frozen=True, kw_only=True):
    """One step of a conversation for those who watch it.

    Sent on ``live.<account>.<conversation>`` as it happens, kept for catching up. ``seq`` rises
    within an account; typing has 0, for it is not kept. ``internal`` ones are not for visitors.
    """

    seq: int
    event: Literal["message", "status", "typing", "knowledge"]
    conversation_id: str
    internal: bool = False
    data: dict[str, Any]


class ListLiveEvents(Request, frozen=True, kw_only=True):
    """Those after ``after`` (oldest first); of all conversations when ``id`` is None."""

    id: Id | None = None
    after: int | None = None  # None: from now on, only `latest` is of interest
    limit: Annotated[int, Meta(ge=1, le=500)] = 200


class LiveEvents(Reply, frozen=True, kw_only=True):
    data: list[LiveEvent]
    latest: int
    reset: bool = False  # `after` is too old: read the conversation anew


CONVERSATIONS_LIST = Endpoint("chat.conversations.list", ListConversations, Page[Conversation])
CONVERSATION_GET = Endpoint("chat.conversations.get", ById, Conversation)
CONVERSATION_MESSAGES = Endpoint("chat.conversations.messages", ListMessages, Page[Message])
CONVERSATION_REPLY = Endpoint("chat.conversations.reply", ReplyToConversation, Message)
CONVERSATION_TAGS = Endpoint("chat.conversations.tags", SetTags, Conversation)
CONVERSATION_EXPORT = Endpoint("chat.conversations.export", ExportConversation, ExportPart)
CONVERSATION_ESCALATE = Endpoint("chat.conversations.escalate", Escalate, Conversation)
CONVERSATION_RESOLVE = Endpoint("chat.conversations.resolve", ById, Conversation)
CONVERSATION_HANDBACK = Endpoint("chat.conversations.handback", ById, Conversation)
CONVERSATION_ASSIGN = Endpoint("chat.conversations.assign", Assign, Conversation)
CONVERSATION_NOTE = Endpoint("chat.conversations.note", AddNote, Message)
CONVERSATION_FEEDBACK = Endpoint("chat.conversations.feedback", GiveFeedback, Message)
CONVERSATION_TYPING = Endpoint("chat.conversations.typing", Typing, Done)
LIVE_EVENTS = Endpoint("chat.events.list", ListLiveEvents, LiveEvents)
VISITOR_DELETE = Endpoint("chat.visitors.delete", ById, Deletion)

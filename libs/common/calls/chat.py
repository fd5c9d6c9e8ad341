"""Calls of the chat service: chatbots, visitors, conversations, answers, analytics."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, UnsetType

from libs.common.calls.knowledge import NoParameters
from libs.common.calls.shapes import (
    ById,
    Deletion,
    Done,
    Erase,
    Erased,
    Id,
    Job,
    Language,
    Limit,
    Listing,
    Name,
    Page,
    Range,
    Reply,
    Request,
    Tag,
    Text,
    Timestamp,
    Url,
)
from libs.common.envelope import Endpoint
from libs.common.events import Rating, Sender

# -- chatbots --------------------------------------------------------------------------------

Tone = Literal["friendly", "professional", "casual", "formal", "playful"]
AnswerLength = Literal["short", "medium", "long"]
Color = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$")]
Short = Annotated[str, Meta(max_length=500)]
Long = Annotated[str, Meta(max_length=8_000)]
Origin = Annotated[str, Meta(min_length=1, max_length=300)]
Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-4]):[0-5]\d$")]


class Personality(Request, frozen=True, kw_only=True):
    tone: Tone = "friendly"
    instructions: Long = ""
    greeting: Short = ""
    answer_length: AnswerLength = "medium"
    forbidden_topics: Annotated[list[Short], Meta(max_length=50)] = []


class Appearance(Request, frozen=True, kw_only=True):
    primary_color: Color = "#2563eb"
    text_color: Color = "#ffffff"
    position: Literal["right", "left"] = "right"
    launcher_text: Annotated[str, Meta(max_length=60)] = ""
    logo_url: Annotated[str, Meta(max_length=2_048)] | None = None
    theme: Literal["auto", "light", "dark"] = "auto"
    suggested_questions: Annotated[list[Short], Meta(max_length=8)] = []


class WidgetSettings(Request, frozen=True, kw_only=True):
    enabled: bool = True
    allowed_origins: Annotated[list[Origin], Meta(max_length=100)] = []  # empty: any
    require_identity: bool = False


class OpenHours(Request, frozen=True, kw_only=True):
    """One stretch of a day, local time of ``Handoff.timezone``; ``day`` 1 is Monday."""

    day: Annotated[int, Meta(ge=1, le=7)]
    open: Clock
    close: Clock


class Handoff(Request, frozen=True, kw_only=True):
    enabled: bool = True
    business_hours: Annotated[list[OpenHours], Meta(max_length=50)] = []  # empty: always open
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"
    out_of_hours_message: Short = ""


class ChatbotLimits(Request, frozen=True, kw_only=True):
    daily_tokens: Annotated[int, Meta(ge=0)] | None = None


class Chatbot(Reply, frozen=True, kw_only=True):
    id: str
    name: str
    website: str | None
    language: str
    status: Literal["active", "deleting"]
    personality: Personality
    appearance: Appearance
    widget: WidgetSettings
    handoff: Handoff
    limits: ChatbotLimits
    retention_days: int | None
    created_at: Timestamp
    updated_at: Timestamp
    etag: str | UnsetType = msgspec.UNSET  # for the gateway, which makes a header of it


class ListChatbots(Listing, frozen=True, kw_only=True):
    q: Annotated[str, Meta(max_length=200)] | None = None


class CreateChatbot(Request, frozen=True, kw_only=True):
    name: Name
    website: Url | None = None
    language: Language = "en"
    personality: Personality = Personality()
    appearance: Appearance = Appearance()
    widget: WidgetSettings = WidgetSettings()
    handoff: Handoff = Handoff()
    limits: ChatbotLimits = ChatbotLimits()
    retention_days: Annotated[int, Meta(ge=1, le=3_650)] | None = None


class PersonalityPatch(Request, frozen=True, kw_only=True):
    tone: Tone | None | UnsetType = msgspec.UNSET
    instructions: Long | None | UnsetType = msgspec.UNSET
    greeting: Short | None | UnsetType = msgspec.UNSET
    answer_length: AnswerLength | None | UnsetType = msgspec.UNSET
    forbidden_topics: Annotated[list[Short], Meta(max_length=50)] | None | UnsetType = msgspec.UNSET


class AppearancePatch(Request, frozen=True, kw_only=True):
    primary_color: Color | None | UnsetType = msgspec.UNSET
    text_color: Color | None | UnsetType = msgspec.UNSET
    position: Literal["right", "left"] | None | UnsetType = msgspec.UNSET
    launcher_text: Annotated[str, Meta(max_length=60)] | None | UnsetType = msgspec.UNSET
    logo_url: Annotated[str, Meta(max_length=2_048)] | None | UnsetType = msgspec.UNSET
    theme: Literal["auto", "light", "dark"] | None | UnsetType = msgspec.UNSET
    suggested_questions: Annotated[list[Short], Meta(max_length=8)] | None | UnsetType = (
        msgspec.UNSET
    )


class WidgetPatch(Request, frozen=True, kw_only=True):
    enabled: bool | None | UnsetType = msgspec.UNSET
    allowed_origins: Annotated[list[Origin], Meta(max_length=100)] | None | UnsetType = (
        msgspec.UNSET
    )
    require_identity: bool | None | UnsetType = msgspec.UNSET


class HandoffPatch(Request, frozen=True, kw_only=True):
    enabled: bool | None | UnsetType = msgspec.UNSET
    business_hours: Annotated[list[OpenHours], Meta(max_length=50)] | None | UnsetType = (
        msgspec.UNSET
    )
    timezone: Annotated[str, Meta(max_length=64)] | None | UnsetType = msgspec.UNSET
    out_of_hours_message: Short | None | UnsetType = msgspec.UNSET


class LimitsPatch(Request, frozen=True, kw_only=True):
    daily_tokens: Annotated[int, Meta(ge=0)] | None | UnsetType = msgspec.UNSET


class UpdateChatbot(Request, frozen=True, kw_only=True):
    """A JSON merge patch (RFC 7396): what is absent stays, null goes back to the default.

    ``if_match`` is the ``If-Match`` header: the change is refused when the etag differs.
    """

    id: Id
    if_match: str | UnsetType = msgspec.UNSET
    name: Name | UnsetType = msgspec.UNSET
    website: Url | None | UnsetType = msgspec.UNSET
    language: Language | None | UnsetType = msgspec.UNSET
    personality: PersonalityPatch | None | UnsetType = msgspec.UNSET
    appearance: AppearancePatch | None | UnsetType = msgspec.UNSET
    widget: WidgetPatch | None | UnsetType = msgspec.UNSET
    handoff: HandoffPatch | None | UnsetType = msgspec.UNSET
    limits: LimitsPatch | None | UnsetType = msgspec.UNSET
    retention_days: Annotated[int, Meta(ge=1, le=3_650)] | None | UnsetType = msgspec.UNSET


class IdentitySecret(Reply, frozen=True, kw_only=True):
    """What the owner's server signs user ids with (HMAC-SHA256) or JWTs (HS256)."""

    secret: str


CHATBOTS_LIST = Endpoint("chat.chatbots.list", ListChatbots, Page[Chatbot])
CHATBOT_CREATE = Endpoint("chat.chatbots.create", CreateChatbot, Chatbot)
CHATBOT_GET = Endpoint("chat.chatbots.get", ById, Chatbot)
CHATBOT_UPDATE = Endpoint("chat.chatbots.update", UpdateChatbot, Chatbot)
CHATBOT_DELETE = Endpoint("chat.chatbots.delete", ById, Deletion)
CHATBOT_IDENTITY = Endpoint("chat.chatbots.identity", ById, IdentitySecret)
CHATBOT_IDENTITY_ROTATE = Endpoint("chat.chatbots.identity_rotate", ById, IdentitySecret)
JOB_GET = Endpoint("chat.jobs.get", ById, Job)

# -- the widget ------------------------------------------------------------------------------


class PublicChatbot(Reply, frozen=True, kw_only=True):
    """What a visitor may know of a chatbot. ``open`` says whether people are there now."""

    id: str
    name: str
    language: str
    greeting: str
    appearance: Appearance
    handoff_enabled: bool
    open: bool
    out_of_hours_message: str
    ai_disclosure: str


class OpenWidget(Request, frozen=True, kw_only=True):
    """Who comes from where. ``visitor_id`` is believed only from a token or an API key."""

    chatbot_id: Id
    origin: str | None = None
    visitor_id: Id | None = None  # as the gateway read it from a valid token
    claimed_visitor_id: Id | None = None  # as the browser says: taken only if it is nobody's
    user_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    user_hash: Annotated[str, Meta(max_length=128)] | None = None
    jwt: Annotated[str, Meta(max_length=4_096)] | None = None
    language: Language | None = None


class WidgetOpened(Reply, frozen=True, kw_only=True):
    account_id: str
    visitor_id: str
    chatbot: PublicChatbot
    conversation: "Conversation | None"


class WidgetOrigins(Reply, frozen=True, kw_only=True):
    """For CORS: which origins may call, and whose chatbot it is."""

    account_id: str
    enabled: bool
    allowed_origins: list[str]


WIDGET_OPEN = Endpoint("chat.widget.open", OpenWidget, WidgetOpened)
WIDGET_ORIGINS = Endpoint("chat.widget.origins", ById, WidgetOrigins)

# -- conversations ---------------------------------------------------------------------------

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


class ListMessages(Listing, frozen=True, kw_only=True):
    id: Id


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

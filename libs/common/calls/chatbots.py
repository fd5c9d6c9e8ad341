"""Calls of the chat service: chatbots as their owners manage them, the widget as visitors open it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, UnsetType

from libs.common.calls.conversations import Conversation
from libs.common.calls.shapes import (
    ById,
    Deletion,
    Id,
    Job,
    Language,
    Listing,
    Name,
    Page,
    Reply,
    Request,
    Timestamp,
    Url,
)
from libs.common.envelope import Endpoint

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

"""Calls of the webhooks service."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, UnsetType

from libs.common.calls.shapes import (
    ById,
    Done,
    Erase,
    Erased,
    Id,
    Listing,
    Page,
    Reply,
    Request,
    Timestamp,
    Url,
)
from libs.common.envelope import Endpoint

EventName = Literal[
    "new_conversation", "new_message", "escalation", "feedback_received", "admin_reply"
]
DeliveryStatus = Literal["pending", "delivering", "succeeded", "failed", "cancelled"]
Ordering = Literal["conversation", "none"]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
HeaderValue = Annotated[str, Meta(max_length=1_000, pattern=r"^[\t\x20-\x7e]*$")]
Headers = Annotated[dict[HeaderName, HeaderValue], Meta(max_length=20)]
Events = Annotated[list[EventName], Meta(min_length=1, max_length=5)]
PerSecond = Annotated[int, Meta(ge=1, le=10_000)]
Description = Annotated[str, Meta(max_length=500)]


class EndpointStats(Reply, frozen=True, kw_only=True):
    """Deliveries of the last 24 hours and the state of the endpoint."""

    succeeded: int = 0
    failed: int = 0
    pending: int = 0
    average_ms: float | None = None
    last_success_at: Timestamp | None = None
    last_failure_at: Timestamp | None = None


class WebhookEndpoint(Reply, frozen=True, kw_only=True):
    id: str
    url: str
    events: list[EventName]
    chatbot_id: str | None
    description: str
    enabled: bool
    disabled_reason: str | None
    headers: dict[str, str]
    rate_limit: int | None  # deliveries a second
    ordering: Ordering
    created_at: Timestamp
    stats: EndpointStats
    secret: str | UnsetType = msgspec.UNSET  # only in the answers to create, rotate and secret


class ListWebhooks(Listing, frozen=True, kw_only=True):
    chatbot_id: Id | None = None


class CreateWebhook(Request, frozen=True, kw_only=True):
    url: Url
    events: Events | None = None  # all
    chatbot_id: Id | None = None
    description: Description = ""
    enabled: bool = True
    headers: Headers = {}
    rate_limit: PerSecond | None = None
    ordering: Ordering = "conversation"


class UpdateWebhook(Request, frozen=True, kw_only=True):
    id: Id
    url: Url | UnsetType = msgspec.UNSET
    events: Events | None | UnsetType = msgspec.UNSET
    chatbot_id: Id | None | UnsetType = msgspec.UNSET
    description: Description | UnsetType = msgspec.UNSET
    enabled: bool | UnsetType = msgspec.UNSET
    headers: Headers | None | UnsetType = msgspec.UNSET
    rate_limit: PerSecond | None | UnsetType = msgspec.UNSET
    ordering: Ordering | UnsetType = msgspec.UNSET


class RotateSecret(Request, frozen=True, kw_only=True):
    id: Id
    grace_hours: Annotated[float, Meta(ge=0, le=720)] = 24.0


class Secret(Reply, frozen=True, kw_only=True):
    secret: str
    previous_until: Timestamp | None = None  # the old one signs beside it until then


class TestWebhook(Request, frozen=True, kw_only=True):
    id: Id
    event: EventName = "new_message"


class Attempt(Reply, frozen=True, kw_only=True):
    """One POST. ``status`` is the HTTP status, or None when there was no answer."""

    at: Timestamp
    status: int | None
    ms: int
    error: str | None
    response_headers: dict[str, str]
    response_body: str  # its first 2 kB


class Delivery(Reply, frozen=True, kw_only=True):
    id: str
    webhook_id: str
    event: EventName
    event_id: str
    status: DeliveryStatus
    attempts: list[Attempt]
    next_attempt_at: Timestamp | None
    created_at: Timestamp


class ListDeliveries(Listing, frozen=True, kw_only=True):
    id: Id
    status: DeliveryStatus | None = None
    event: EventName | None = None
    from_: Timestamp | None = None
    to: Timestamp | None = None


class Replay(Request, frozen=True, kw_only=True):
    id: Id
    from_: Timestamp
    to: Timestamp
    status: Literal["failed", "all"] = "failed"


class ReplayCount(Reply, frozen=True, kw_only=True):
    count: int


class DayOfDeliveries(Reply, frozen=True, kw_only=True):
    hour: Timestamp
    succeeded: int
    failed: int
    average_ms: float | None


class WebhookStats(Reply, frozen=True, kw_only=True):
    """The last 24 hours, in all and hour by hour."""

    total: EndpointStats
    hours: list[DayOfDeliveries]


class Notice(Reply, frozen=True, kw_only=True):
    """Something the account's people should know, such as an endpoint that was disabled."""

    id: str
    kind: str
    message: str
    webhook_id: str | None
    created_at: Timestamp


class EventIds(Request, frozen=True, kw_only=True):
    ids: list[str]


class ForgetConversations(Request, frozen=True, kw_only=True):
    """Remove what was logged of some conversations: deliveries, and the content of events."""

    conversation_ids: Annotated[list[str], Meta(min_length=1, max_length=500)]


WEBHOOKS_LIST = Endpoint("webhooks.endpoints.list", ListWebhooks, Page[WebhookEndpoint])
WEBHOOK_CREATE = Endpoint("webhooks.endpoints.create", CreateWebhook, WebhookEndpoint)
WEBHOOK_GET = Endpoint("webhooks.endpoints.get", ById, WebhookEndpoint)
WEBHOOK_UPDATE = Endpoint("webhooks.endpoints.update", UpdateWebhook, WebhookEndpoint)
WEBHOOK_DELETE = Endpoint("webhooks.endpoints.delete", ById, Done)
WEBHOOK_ROTATE = Endpoint("webhooks.endpoints.rotate", RotateSecret, WebhookEndpoint)
WEBHOOK_SECRET = Endpoint("webhooks.endpoints.secret", ById, Secret)
WEBHOOK_TEST = Endpoint("webhooks.endpoints.test", TestWebhook, Delivery)
WEBHOOK_STATS = Endpoint("webhooks.endpoints.stats", ById, WebhookStats)
WEBHOOK_REPLAY = Endpoint("webhooks.endpoints.replay", Replay, ReplayCount)
DELIVERIES_LIST = Endpoint("webhooks.deliveries.list", ListDeliveries, Page[Delivery])
DELIVERY_GET = Endpoint("webhooks.deliveries.get", ById, Delivery)
DELIVERY_REDELIVER = Endpoint("webhooks.deliveries.redeliver", ById, Delivery)
NOTICES_LIST = Endpoint("webhooks.notices.list", Listing, Page[Notice])
EVENTS_SEEN = Endpoint("webhooks.events.seen", EventIds, EventIds)
WEBHOOKS_FORGET = Endpoint("webhooks.forget", ForgetConversations, Erased)
WEBHOOKS_ERASE = Endpoint("webhooks.erase", Erase, Erased)

"""``POST /api/widget/{chatbotId}/session``: who a visitor is, and the token that says so."""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.calls import (
    WIDGET_OPEN,
    Conversation,
    Id,
    Language,
    OpenWidget,
    PublicChatbot,
    Reply,
    Request,
    Timestamp,
)
from libs.common.envelope import Context
from services.gateway.call import Call
from services.gateway.gateway import Gateway


class OpenSession(Request, frozen=True, kw_only=True):
    """``token`` is the one before, for the same visitor again; ``visitorId`` is only a wish.

    ``userId`` with ``userHash`` (hex HMAC-SHA256 of it) or ``jwt`` (HS256, ``sub``) says who the
    site's own user is; both are made with the chatbot's identity secret.
    """

    chatbot_id: Id
    visitor_id: Id | None = None
    token: Annotated[str, Meta(max_length=2_048)] | None = None
    user_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    user_hash: Annotated[str, Meta(max_length=128)] | None = None
    jwt: Annotated[str, Meta(max_length=4_096)] | None = None
    language: Language | None = None


class WidgetSession(Reply, frozen=True, kw_only=True):
    visitor_id: str
    token: str
    expires_at: Timestamp
    chatbot: PublicChatbot
    conversation: Conversation | None


async def open_session(gateway: Gateway, call: Call, request: OpenSession) -> WidgetSession:
    known = gateway.visitors.renewable(request.token, request.chatbot_id) if request.token else None
    opened = await gateway.bus.request(
        WIDGET_OPEN,
        OpenWidget(
            chatbot_id=request.chatbot_id,
            origin=call.request.headers.get("Origin"),
            visitor_id=known,
            claimed_visitor_id=request.visitor_id,
            user_id=request.user_id,
            user_hash=request.user_hash,
            jwt=request.jwt,
            language=request.language,
        ),
        msgspec.structs.replace(Context.system(), request_id=call.id, ip=call.ip),
    )
    token, expires_at = gateway.visitors.make(
        opened.account_id, request.chatbot_id, opened.visitor_id
    )
    return WidgetSession(
        visitor_id=opened.visitor_id,
        token=token,
        expires_at=expires_at,
        chatbot=opened.chatbot,
        conversation=opened.conversation,
    )

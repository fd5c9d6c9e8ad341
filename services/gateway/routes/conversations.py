"""Conversations, the inbox, visitors, analytics."""

from typing import Any

from libs.common import calls
from libs.common.envelope import Endpoint
from services.gateway import exports, live
from services.gateway.row import Route

_TAG = "Conversations"


def _verb(
    verb: str, summary: str, call: Endpoint[Any, Any], *, visitor: bool = False, status: int = 200
) -> Route:
    return Route(
        method="POST",
        path=f"/api/conversations/{{id}}/{verb}",
        summary=summary,
        tag=_TAG,
        call=call,
        scope="conversations",
        visitor=visitor,
        status=status,
        audit=verb != "typing",
        errors=(409,),
    )


CONVERSATIONS = (
    Route(
        method="GET",
        path="/api/conversations",
        summary="List conversations",
        tag=_TAG,
        call=calls.CONVERSATIONS_LIST,
        scope="conversations",
    ),
    Route(
        method="GET",
        path="/api/conversations/{id}",
        summary="Read a conversation",
        tag=_TAG,
        call=calls.CONVERSATION_GET,
        scope="conversations",
    ),
    Route(
        method="GET",
        path="/api/conversations/{id}/messages",
        summary="List a conversation's messages, oldest first",
        tag=_TAG,
        call=calls.CONVERSATION_MESSAGES,
        scope="conversations",
        visitor=True,
    ),
    _verb("reply", "Reply as a person", calls.CONVERSATION_REPLY, status=201),
    _verb("tags", "Add or replace tags", calls.CONVERSATION_TAGS),
    Route(
        method="GET",
        path="/api/conversations/{id}/export",
        summary="Export a conversation as CSV, transcript or JSON",
        tag=_TAG,
        handler=exports.export,
        request=calls.ExportConversation,
        kind="file",
        scope="conversations",
    ),
    _verb("escalate", "Ask for a person", calls.CONVERSATION_ESCALATE, visitor=True),
    _verb("resolve", "Close a conversation", calls.CONVERSATION_RESOLVE),
    _verb("handback", "Give a conversation back to the bot", calls.CONVERSATION_HANDBACK),
    _verb("assign", "Assign a conversation to a user", calls.CONVERSATION_ASSIGN),
    _verb("notes", "Add a note for colleagues", calls.CONVERSATION_NOTE, status=201),
    _verb("feedback", "Rate an answer", calls.CONVERSATION_FEEDBACK, visitor=True),
    _verb("typing", "Say that you are typing", calls.CONVERSATION_TYPING, visitor=True, status=204),
    Route(
        method="GET",
        path="/api/conversations/{id}/events",
        summary="Follow a conversation as it happens",
        tag=_TAG,
        handler=live.conversation,
        request=live.WatchConversation,
        kind="stream",
        scope="conversations",
        visitor=True,
    ),
    Route(
        method="GET",
        path="/api/inbox/events",
        summary="Follow all conversations as they happen",
        tag=_TAG,
        handler=live.inbox,
        request=live.WatchInbox,
        kind="stream",
        scope="conversations",
    ),
    Route(
        method="DELETE",
        path="/api/visitors/{id}",
        summary="Delete a visitor and all that is known of them",
        tag=_TAG,
        call=calls.VISITOR_DELETE,
        scope="admin",
        status=202,
    ),
    Route(
        method="GET",
        path="/api/analytics/overview",
        summary="Counts and rates of a stretch of time",
        tag="Analytics",
        call=calls.ANALYTICS_OVERVIEW,
        scope="conversations",
    ),
    Route(
        method="GET",
        path="/api/analytics/unanswered",
        summary="Questions that the knowledge could not answer",
        tag="Analytics",
        call=calls.ANALYTICS_UNANSWERED,
        scope="conversations",
    ),
    Route(
        method="POST",
        path="/api/analytics/unanswered/{id}/dismiss",
        summary="Take a group of unanswered questions off the list",
        tag="Analytics",
        call=calls.UNANSWERED_DISMISS,
        scope="conversations",
        status=204,
    ),
)

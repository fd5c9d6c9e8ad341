"""Passing a conversation on to people: once, with a reason and a summary, never in silence."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from libs.common import events
from libs.common.calls import Conversation, EscalationState
from libs.common.db import Tx
from libs.common.outbox import Outbox
from services.chat.store import conversations, messages

SUMMARY_MESSAGES = 6
LONGEST_SUMMARY = 1_000  # characters


async def escalate(
    tx: Tx,
    outbox: Outbox,
    account: str,
    conversation: Conversation,
    *,
    by: Literal["visitor", "bot", "agent"],
    reason: str,
    summary: str = "",
    traceparent: str = "",
) -> Conversation:
    """Mark it and say so. The caller holds the conversation's row; it must not be escalated yet.

    Without a ``summary`` it is the last things said. The caller counts it, once it is stored.
    """
    summary = summary or await _last_said(tx, account, conversation.id)
    state = EscalationState(reason=reason, by=by, at=datetime.now(UTC), summary=summary)
    await conversations.change(
        tx,
        account,
        conversation.id,
        status="escalated",
        escalation=msgspec.to_builtins(state),
        human=False,
        waiting_told=False,
        floor_misses=0,
    )
    await outbox.add(
        tx,
        events.make(
            events.Escalation(
                conversation_id=conversation.id,
                chatbot_id=conversation.chatbot_id,
                visitor_id=conversation.visitor_id,
                reason=reason,
                by=by,
                summary=summary,
            ),
            account=account,
            chatbot=conversation.chatbot_id,
            key=conversation.id,
            traceparent=traceparent,
        ),
    )
    return msgspec.structs.replace(conversation, status="escalated", escalation=state)


async def _last_said(tx: Tx, account: str, conversation: str) -> str:
    """For the person who takes over."""
    latest = await messages.latest(tx, account, [conversation], SUMMARY_MESSAGES)
    said = [f"{m.sender}: {' '.join(m.text.split())[:200]}" for m in latest[conversation]]
    return "\n".join(said)[-LONGEST_SUMMARY:]

"""What people do in conversations: those who work on them, and visitors in theirs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from libs.common import events as facts
from libs.common.bus import Bus
from libs.common.calls import (
    AddNote,
    Assign,
    ById,
    Chatbot,
    Conversation,
    Escalate,
    GiveFeedback,
    Message,
    ReplyToConversation,
    SetTags,
)
from libs.common.db import Database, Tx
from libs.common.envelope import Actor, Context
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from services.chat import escalation, hours, metrics
from services.chat.errors import (
    HandoffDisabled,
    NoChatbot,
    NoConversation,
    NoMessage,
    NotEscalated,
    TooManyTags,
)
from services.chat.live import Watchers
from services.chat.reading import stop
from services.chat.store import answers, chatbots, conversations, messages
from services.chat.store.conversations import ConversationRow
from services.chat.store.messages import NewMessage
from services.chat.talks import may_see

MAX_TAGS = 50


class _Unit(msgspec.Struct, frozen=True):
    """One change of one conversation, its row held until the end."""

    tx: Tx
    account: str
    talk: ConversationRow
    watchers: Watchers
    escalated_by: list[str] = []  # to be counted

    @property
    def conversation(self) -> Conversation:
        return self.talk.public

    async def chatbot(self) -> Chatbot:
        found = await chatbots.get(self.tx, self.account, self.conversation.chatbot_id)
        if found is None:
            raise NoChatbot
        return found

    async def say(self, actor: Actor, text: str, *, internal: bool = False) -> Message:
        """A person's message, told to those who watch."""
        message = NewMessage(
            id=new_id("msg"),
            conversation_id=self.conversation.id,
            chatbot_id=self.conversation.chatbot_id,
            sender="admin",
            text=text,
            internal=internal,
            author=actor.name or None,
            author_id=actor.id,
        )
        return await self.watchers.said(self.tx, message)

    async def changed(self) -> Conversation:
        """As it is now, told to those who watch."""
        row = await conversations.get(self.tx, self.account, self.conversation.id)
        assert row is not None
        await self.watchers.status(self.tx, row.public)
        return row.public


class People:
    def __init__(self, db: Database, bus: Bus, outbox: Outbox) -> None:
        self._db = db
        self._bus = bus
        self._outbox = outbox

    @asynccontextmanager
    async def _change(self, context: Context, id: str) -> AsyncIterator[_Unit]:
        """Hold a conversation for one transaction, and tell its watchers once it committed."""
        watchers = Watchers(self._bus, context.account)
        async with self._db.transaction(context.account) as tx:
            talk = await conversations.get(tx, context.account, id, lock=True)
            if talk is None or not may_see(context.actor, talk.public):
                raise NoConversation
            unit = _Unit(tx, context.account, talk, watchers)
            yield unit
        for by in unit.escalated_by:
            metrics.ESCALATIONS.labels(by).inc()
        await watchers.send()

    # -- people's part -----------------------------------------------------------------------

    async def reply(self, context: Context, request: ReplyToConversation) -> Message:
        """A person's message to the visitor; from the first one on the bot is silent."""
        async with self._change(context, request.id) as unit:
            if unit.conversation.status != "escalated":
                if not request.force:
                    raise NotEscalated
                await self._take_over(unit)
            message = await unit.say(context.actor, request.message)
            await conversations.change(unit.tx, unit.account, request.id, human=True)
            writing = await answers.ask_all_to_stop(unit.tx, unit.account, request.id)
            replied = facts.AdminReply(
                conversation_id=request.id,
                chatbot_id=unit.conversation.chatbot_id,
                message_id=message.id,
                message=request.message,
                admin_id=context.actor.id,
                visitor_id=unit.conversation.visitor_id,
            )
            await self._tell(unit, replied)
        for answer in writing:  # the bot does not talk over a person
            await stop(self._bus, answer)
        return message

    async def _take_over(self, unit: _Unit) -> None:
        """A person steps in unasked: from here on it is theirs, and shows as such."""
        taken = await escalation.escalate(
            unit.tx,
            self._outbox,
            unit.account,
            unit.conversation,
            by="agent",
            reason="A person stepped in.",
        )
        await unit.watchers.status(unit.tx, taken)
        unit.escalated_by.append("agent")

    async def escalate(self, context: Context, request: Escalate) -> Conversation:
        """Call people in; once, however often it is asked for."""
        async with self._change(context, request.id) as unit:
            if unit.conversation.status == "escalated":
                return unit.conversation
            chatbot = await unit.chatbot()
            if not chatbot.handoff.enabled:
                raise HandoffDisabled
            visitor = context.actor.is_visitor
            by = "visitor" if visitor else "agent"
            await escalation.escalate(
                unit.tx,
                self._outbox,
                unit.account,
                unit.conversation,
                by=by,
                reason=request.reason
                or f"{'The visitor' if visitor else 'A person'} asked for it.",
            )
            await self._notice(unit, chatbot)
            unit.escalated_by.append(by)
            return await unit.changed()

    async def _notice(self, unit: _Unit, chatbot: Chatbot) -> None:
        told = hours.notice(chatbot.handoff, unit.conversation.language, datetime.now(UTC))
        await unit.watchers.said(
            unit.tx,
            NewMessage(
                id=new_id("msg"),
                conversation_id=unit.conversation.id,
                chatbot_id=chatbot.id,
                sender="system",
                text=told,
            ),
        )
        await conversations.change(unit.tx, unit.account, unit.conversation.id, waiting_told=True)

    async def resolve(self, context: Context, request: ById) -> Conversation:
        return await self._to(context, request.id, "resolved")

    async def handback(self, context: Context, request: ById) -> Conversation:
        return await self._to(context, request.id, "open")

    async def _to(self, context: Context, id: str, status: str) -> Conversation:
        async with self._change(context, id) as unit:
            if unit.conversation.status == status:
                return unit.conversation
            await conversations.change(
                unit.tx,
                unit.account,
                id,
                status=status,
                human=False,
                waiting_told=False,
                floor_misses=0,
            )
            return await unit.changed()

    async def tags(self, context: Context, request: SetTags) -> Conversation:
        async with self._change(context, request.id) as unit:
            before = unit.conversation.tags if request.mode == "add" else []
            tags = list(dict.fromkeys([*before, *(tag.strip() for tag in request.tags)]))
            tags = [tag for tag in tags if tag]
            if len(tags) > MAX_TAGS:
                raise TooManyTags
            await conversations.change(unit.tx, unit.account, request.id, tags=tags)
            return await unit.changed()

    async def assign(self, context: Context, request: Assign) -> Conversation:
        async with self._change(context, request.id) as unit:
            await conversations.change(
                unit.tx, unit.account, request.id, assignee_id=request.user_id
            )
            return await unit.changed()

    async def note(self, context: Context, request: AddNote) -> Message:
        """For colleagues alone."""
        async with self._change(context, request.id) as unit:
            return await unit.say(context.actor, request.text, internal=True)

    # -- both sides --------------------------------------------------------------------------

    async def feedback(self, context: Context, request: GiveFeedback) -> Message:
        """Rate an answer; rating it again replaces the rating."""
        async with self._change(context, request.id) as unit:
            before = await messages.get(unit.tx, unit.account, request.id, request.message_id)
            rated = await messages.rate(
                unit.tx,
                unit.account,
                request.id,
                request.message_id,
                request.rating,
                request.comment,
            )
            if before is None or rated is None:
                raise NoMessage
            if before.feedback == rated.feedback:
                return rated  # sent twice
            await unit.watchers.message(unit.tx, rated)
            given = facts.FeedbackReceived(
                conversation_id=request.id,
                chatbot_id=unit.conversation.chatbot_id,
                message_id=request.message_id,
                rating=request.rating,
                comment=request.comment,
                visitor_id=unit.conversation.visitor_id,
            )
            await self._tell(unit, given)
        return rated

    async def _tell(self, unit: _Unit, data: facts.AnyEvent) -> None:
        await self._outbox.add(
            unit.tx,
            facts.make(
                data,
                account=unit.account,
                chatbot=unit.conversation.chatbot_id,
                key=unit.conversation.id,
            ),
        )

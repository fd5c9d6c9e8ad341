"""Conversations as those who may see them read them."""

from libs.common.bus import Bus
from libs.common.calls import (
    ById,
    Conversation,
    Done,
    ListConversations,
    ListLiveEvents,
    ListMessages,
    LiveEvent,
    LiveEvents,
    Message,
    Page,
    Typing,
)
from libs.common.db import Database, Tx
from libs.common.envelope import Actor, Context
from services.chat.errors import NoConversation
from services.chat.live import tell
from services.chat.store import conversations, live, messages


class Talks:
    def __init__(self, db: Database, bus: Bus) -> None:
        self._db = db
        self._bus = bus

    async def page(self, context: Context, request: ListConversations) -> Page[Conversation]:
        async with self._db.transaction(context.account) as tx:
            return await conversations.page(tx, context.account, request)

    async def get(self, context: Context, request: ById) -> Conversation:
        async with self._db.transaction(context.account) as tx:
            return await _visible(tx, context, request.id)

    async def messages(self, context: Context, request: ListMessages) -> Page[Message]:
        async with self._db.transaction(context.account) as tx:
            await _visible(tx, context, request.id)
            return await messages.page(
                tx, context.account, request, internal=not context.actor.is_visitor
            )

    async def events(self, context: Context, request: ListLiveEvents) -> LiveEvents:
        """What happened since; ``reset`` when that is further back than anything kept."""
        account = context.account
        async with self._db.transaction(account) as tx:
            if request.id is not None:
                await _visible(tx, context, request.id)
            elif context.actor.is_visitor:
                raise NoConversation
            latest = await live.latest(tx, account)
            after = request.after
            if after is None or after >= latest:
                return LiveEvents(data=[], latest=latest)
            if after and after < await live.oldest(tx, account) - 1:
                return LiveEvents(data=[], latest=latest, reset=True)
            found = await live.after(
                tx,
                account,
                request.id,
                after,
                request.limit,
                internal=not context.actor.is_visitor,
            )
        return LiveEvents(data=found, latest=latest)

    async def typing(self, context: Context, request: Typing) -> Done:
        async with self._db.transaction(context.account) as tx:
            conversation = await _visible(tx, context, request.id)
        who = "visitor" if context.actor.is_visitor else "admin"
        event = LiveEvent(
            seq=0,
            event="typing",
            conversation_id=conversation.id,
            data={"conversationId": conversation.id, "sender": who, "author": context.actor.name},
        )
        await tell(self._bus, context.account, event)
        return Done()


def may_see(actor: Actor, conversation: Conversation) -> bool:
    """A visitor sees its own conversations alone."""
    if not actor.is_visitor:
        return True
    return conversation.visitor_id == actor.id and conversation.chatbot_id == actor.chatbot


async def _visible(tx: Tx, context: Context, id: str) -> Conversation:
    talk = await conversations.get(tx, context.account, id)
    if talk is None or not may_see(context.actor, talk.public):
        raise NoConversation
    return talk.public


async def visible(db: Database, context: Context, id: str) -> Conversation:
    """A conversation that this caller may see. Raises `NoConversation`."""
    async with db.transaction(context.account) as tx:
        return await _visible(tx, context, id)

"""A visitor's message: stored with all it causes in one transaction, then answered apart from it."""

from datetime import UTC, datetime

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from libs.common import events
from libs.common.bus import Bus
from libs.common.calls import Ask, Asked, Chatbot, Conversation, Message
from libs.common.db import Database, Tx
from libs.common.envelope import Context
from libs.common.errors import Forbidden
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from libs.common.telemetry import traceparent
from services.chat import escalation, hours, metrics, smalltalk, texts, words
from services.chat.answering import Runner
from services.chat.errors import NoChatbot, NoConversation
from services.chat.live import Watchers
from services.chat.sheet import Sheet
from services.chat.store import answers, chatbots, conversations, messages
from services.chat.store.answers import Finish
from services.chat.store.conversations import ConversationRow
from services.chat.store.messages import LAST, NewMessage
from services.chat.writing import HISTORY, Scene, turns


class VisitorMismatch(Forbidden):
    """`visitorId` must be the token's own, or absent."""

    code = "visitor_mismatch"


class _Asked(msgspec.Struct, frozen=True):
    """What the transaction came to: an answer to write, or a finished one (a ``sheet``)."""

    reply: Asked
    sheet: Sheet | None = None
    stored: AsyncCursor[DictRow] | None = None  # the answer
    scene: Scene | None = None


class Asking:
    def __init__(self, db: Database, bus: Bus, outbox: Outbox, runner: Runner) -> None:
        self._db = db
        self._bus = bus
        self._outbox = outbox
        self._runner = runner

    async def ask(self, context: Context, request: Ask) -> Asked:
        """Store the message and have it answered; the answer's frames follow on the bus."""
        visitor = _visitor(context, request)
        account = context.account
        watchers = Watchers(self._bus, account)
        with self._runner.place(account) as owner:
            async with self._db.transaction(account, pipelined=True) as tx:
                asked = await self._ask(tx, account, request, visitor, watchers, owner)
            await self._start(asked)
        await watchers.send()
        if asked.sheet is not None:
            await asked.sheet.send_all()
        return asked.reply

    async def _start(self, asked: _Asked) -> None:
        """Have it written here, if it was stored so; the sweep of some process finds it otherwise."""
        if asked.stored is not None and asked.scene is not None:
            self._runner.start(await answers.inserted(asked.stored), asked.scene)

    async def _ask(
        self,
        tx: Tx,
        account: str,
        request: Ask,
        visitor: str | None,
        watchers: Watchers,
        owner: str | None,
    ) -> _Asked:
        chatbot = await chatbots.get(tx, account, request.chatbot_id)
        if chatbot is None:
            raise NoChatbot
        if request.client_message_id is not None:
            await _one_at_a_time(tx, account, request.client_message_id)
            before = await messages.asked_before(
                tx, account, chatbot.id, request.client_message_id, visitor
            )
            if before is not None:
                return _Asked(_reply(*before, repeated=True))
        talk = await self._conversation(tx, account, chatbot, request, visitor, watchers)
        conversation = talk.public
        earlier = await _earlier(tx, account, request)
        message = await watchers.said(
            tx,
            NewMessage(
                id=new_id("msg"),
                conversation_id=conversation.id,
                chatbot_id=chatbot.id,
                sender="visitor",
                text=request.message,
                client_message_id=request.client_message_id,
                metadata=request.metadata,
            ),
        )
        told = [_new_conversation(account, conversation)] if request.conversation_id is None else []
        told.append(_new_message(account, conversation, message.id, request.message))
        await self._outbox.add(tx, *told)
        answer = request.answer_id if request.answer_id is not msgspec.UNSET else new_id("ans")
        reply = _reply(conversation.id, conversation.visitor_id, message.id, str(answer))
        language = request.language or conversation.language
        stored = await answers.insert(
            tx,
            account,
            id=str(answer),
            chatbot=chatbot.id,
            conversation=conversation.id,
            question=message.id,
            message=new_id("msg"),
            language=language,
            traceparent=traceparent(),
            owner=owner,
        )
        sheet = await self._without_bot(tx, account, chatbot, talk, request, reply, watchers)
        if sheet is not None:
            return _Asked(reply, sheet)
        scene = Scene(account, language, chatbot, talk, request.message, turns(earlier))
        if owner is not None:
            scene = self._runner.look(scene)  # while all of this is stored
        return _Asked(reply, None, stored, scene)

    async def _conversation(
        self,
        tx: Tx,
        account: str,
        chatbot: Chatbot,
        request: Ask,
        visitor: str | None,
        watchers: Watchers,
    ) -> ConversationRow:
        """The visitor's own conversation, opened again if it was resolved, or a new one."""
        if request.conversation_id is None:
            return await conversations.insert(
                tx,
                account,
                id=new_id("conv"),
                chatbot=chatbot.id,
                visitor=visitor or new_id("vis"),
                language=request.language or chatbot.language,
            )
        talk = await conversations.get(tx, account, request.conversation_id, lock=True)
        if talk is None or talk.public.chatbot_id != chatbot.id:
            raise NoConversation
        if visitor is not None and talk.public.visitor_id != visitor:
            raise NoConversation
        await chatbots.seen(tx, account, chatbot.id, talk.public.visitor_id)
        if talk.public.status == "resolved":
            await conversations.change(
                tx, account, talk.public.id, status="open", human=False, waiting_told=False
            )
            reopened = msgspec.structs.replace(talk.public, status="open")
            await watchers.status(tx, reopened)
            return msgspec.structs.replace(talk, public=reopened, human=False)
        return talk

    async def _without_bot(
        self,
        tx: Tx,
        account: str,
        chatbot: Chatbot,
        talk: ConversationRow,
        request: Ask,
        reply: Asked,
        watchers: Watchers,
    ) -> Sheet | None:
        """Where people are asked for or at work the bot is silent: the notice, when one is due."""
        language = request.language or talk.public.language
        now = datetime.now(UTC)
        if talk.public.status == "escalated":
            told = talk.waiting_told or talk.human
            text = "" if told else _waiting(chatbot, language, now)
        elif chatbot.handoff.enabled and _wants_person(talk, request.message):
            recent = await messages.recent(
                tx, account, talk.public.id, LAST, escalation.SUMMARY_MESSAGES
            )
            handed = await escalation.escalate(
                tx,
                self._outbox,
                account,
                talk.public,
                by="visitor",
                reason="The visitor asked for a person.",
                summary=escalation.summary_of(recent),
            )
            await watchers.status(tx, handed)
            text = hours.notice(chatbot.handoff, language, now)
        else:
            return None
        return await self._notice(tx, account, talk.public, reply, text, watchers)

    async def _notice(
        self,
        tx: Tx,
        account: str,
        conversation: Conversation,
        reply: Asked,
        text: str,
        watchers: Watchers,
    ) -> Sheet:
        """An answer that is finished at once: a notice, or nothing but the end."""
        shown = reply.message_id
        if text:
            notice = NewMessage(
                id=new_id("msg"),
                conversation_id=conversation.id,
                chatbot_id=conversation.chatbot_id,
                sender="system",
                text=text,
                answer_id=reply.answer_id,
            )
            stored = await watchers.said(tx, notice)
            await conversations.change(tx, account, conversation.id, waiting_told=True)
            shown = stored.id
        frames = Sheet.finished(self._bus, reply, text, shown)
        await answers.finish(
            tx, account, reply.answer_id, Finish(status="escalated", frames=frames.all)
        )
        metrics.ANSWERS.labels("escalated").inc()
        return frames


def _visitor(context: Context, request: Ask) -> str | None:
    """Whose message this is: the token's visitor, or whom the key's holder names."""
    if not context.actor.is_visitor:
        return request.visitor_id
    if context.actor.chatbot != request.chatbot_id:
        raise NoChatbot
    if request.visitor_id not in (None, context.actor.id):
        raise VisitorMismatch
    return context.actor.id


def _wants_person(talk: ConversationRow, message: str) -> bool:
    """By their words, or by a yes to the offer that an unanswered question ends with."""
    return words.wants_person(message) or (talk.floor_misses > 0 and smalltalk.is_yes(message))


def _waiting(chatbot: Chatbot, language: str, now: datetime) -> str:
    if hours.are_open(chatbot.handoff, now):
        return texts.text(texts.WAITING, language)
    return hours.closed(chatbot.handoff, language)


def _reply(
    conversation: str, visitor: str, message: str, answer: str, *, repeated: bool = False
) -> Asked:
    return Asked(
        conversation_id=conversation,
        visitor_id=visitor,
        message_id=message,
        answer_id=answer,
        repeated=repeated,
    )


def _new_conversation(account: str, conversation: Conversation) -> events.Event:
    data = events.NewConversation(
        conversation_id=conversation.id,
        chatbot_id=conversation.chatbot_id,
        visitor_id=conversation.visitor_id,
        language=conversation.language,
    )
    return events.make(data, account=account, chatbot=conversation.chatbot_id, key=conversation.id)


def _new_message(account: str, conversation: Conversation, message: str, text: str) -> events.Event:
    data = events.NewMessage(
        conversation_id=conversation.id,
        chatbot_id=conversation.chatbot_id,
        message_id=message,
        message=text,
        sender="visitor",
        visitor_id=conversation.visitor_id,
    )
    return events.make(data, account=account, chatbot=conversation.chatbot_id, key=conversation.id)


async def _earlier(tx: Tx, account: str, request: Ask) -> list[Message]:
    """What was said before, where anything was."""
    if request.conversation_id is None:
        return []
    return await messages.recent(tx, account, request.conversation_id, LAST, HISTORY)


async def _one_at_a_time(tx: Tx, account: str, client_message_id: str) -> None:
    """The same message sent twice at once is stored once."""
    await conversations.hold(tx, f"{account}:{client_message_id}")

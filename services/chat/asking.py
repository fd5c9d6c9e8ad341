"""A visitor's message: stored with all it causes in one transaction, then answered apart from it."""

import contextvars
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec

from libs.common import events
from libs.common.bus import Bus
from libs.common.calls import Ask, Asked, Chatbot, Message
from libs.common.db import Database, Returned, Tx
from libs.common.envelope import Context
from libs.common.errors import Forbidden
from libs.common.groups import GroupCommit
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from libs.common.telemetry import traceparent
from services.chat import escalation, hours, metrics, smalltalk, texts, words
from services.chat.answering import Runner
from services.chat.errors import NoChatbot, NoConversation
from services.chat.live import Watchers
from services.chat.sheet import Sheet
from services.chat.store import answers, chatbots, conversations, messages
from services.chat.store.answers import Finish, NewAnswer
from services.chat.store.conversations import ConversationRow
from services.chat.store.messages import NewMessage
from services.chat.writing import HISTORY, Scene, turns


class VisitorMismatch(Forbidden):
    """`visitorId` must be the token's own, or absent."""

    code = "visitor_mismatch"


class _Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be stored."""

    request: Ask
    visitor: str | None  # whose it is, where that is known
    owner: str | None  # who would write the answer, where there is room
    traceparent: str
    context: contextvars.Context  # of the request

    @property
    def keys(self) -> frozenset[str]:
        """What no two in one transaction may share."""
        named = (self.request.conversation_id, self.request.client_message_id)
        return frozenset(key for key in named if key)


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    """A message in its conversation."""

    ask: _Ask
    talk: ConversationRow
    watchers: Watchers
    begins: bool = False  # the conversation is new
    reopens: bool = False  # it was resolved
    earlier: Sequence[Message] = ()
    message: str  # its id
    answer: str  # the id of what is to be written

    @property
    def language(self) -> str:
        return self.ask.request.language or self.talk.public.language

    @property
    def reply(self) -> Asked:
        talk = self.talk.public
        return _reply(talk.id, talk.visitor_id, self.message, self.answer)


class _Asked(msgspec.Struct, frozen=True):
    """What the transaction came to: an answer to write, or a finished one (a ``sheet``)."""

    reply: Asked
    watchers: Watchers | None = None
    sheet: Sheet | None = None
    handed: bool = False  # people have the conversation now
    stored: Returned | None = None  # the answer
    scene: Scene | None = None


class Asking:
    def __init__(self, db: Database, bus: Bus, outbox: Outbox, runner: Runner) -> None:
        self._bus = bus
        self._outbox = outbox
        self._runner = runner
        self._groups: GroupCommit[_Ask, _Asked] = GroupCommit(
            db, self._store, self._stored, keys=lambda ask: ask.keys
        )

    async def ask(self, context: Context, request: Ask) -> Asked:
        """Store the message and have it answered; the answer's frames follow on the bus."""
        visitor = _visitor(context, request)
        account = context.account
        with ExitStack() as stack:
            ask = _Ask(
                request=request,
                visitor=visitor,
                owner=stack.enter_context(self._runner.place(account)),
                traceparent=traceparent(),
                context=contextvars.copy_context(),
            )
            free = stack.pop_all().close  # once it is over, however soon the asker gives up
        asked = await self._groups.run(account, request.chatbot_id, ask, settled=free)
        return asked.reply

    async def _stored(self, asked: _Asked) -> None:
        """Have it written here, if it was stored so; the sweep of some process finds it otherwise."""
        if asked.stored is not None and asked.scene is not None:
            answer = await answers.inserted(asked.stored, asked.reply.answer_id)
            self._runner.start(answer, asked.scene)
        if asked.watchers is not None:
            await asked.watchers.send()
        if asked.sheet is not None:
            metrics.ANSWERS.labels("escalated").inc()
            if asked.handed:
                metrics.ESCALATIONS.labels("visitor").inc()
            await asked.sheet.send_all()

    # -- storing: all that came together, step by step ----------------------------------------

    async def _store(
        self, tx: Tx, account: str, asks: Sequence[_Ask]
    ) -> list[_Asked | NoChatbot | NoConversation]:
        """Messages to one chatbot."""
        chatbot = await chatbots.get(tx, account, asks[0].request.chatbot_id)
        if chatbot is None:
            return [NoChatbot() for _ in asks]
        before = await _asked_before(tx, account, chatbot, asks)
        fresh = [ask for ask, was in zip(asks, before, strict=True) if was is None]
        talks = await _held(tx, account, fresh)
        earlier = await messages.latest(tx, account, list(talks), HISTORY) if talks else {}
        found = [
            _again(was)
            if was
            else _question(chatbot, ask, Watchers(self._bus, account), talks, earlier)
            for ask, was in zip(asks, before, strict=True)
        ]
        questions = [one for one in found if isinstance(one, _Question)]
        stored = await self._add(tx, account, chatbot, questions) if questions else None
        return [
            await self._begin(tx, account, chatbot, one, stored)
            if isinstance(one, _Question)
            else one
            for one in found
        ]

    async def _add(
        self, tx: Tx, account: str, chatbot: Chatbot, questions: Sequence[_Question]
    ) -> Returned:
        visitors = {question.talk.public.visitor_id for question in questions}
        await chatbots.seen(tx, account, chatbot.id, visitors)
        new = [question.talk.public for question in questions if question.begins]
        if new:
            await conversations.insert(tx, account, chatbot.id, new)
        for question in questions:
            if question.reopens:
                await _reopen(tx, account, question)
        said = await messages.add(tx, account, *map(_message, questions))
        for question, (_, added) in zip(questions, said, strict=True):
            question.watchers.keep(added)
        told = [event for question in questions for event in _events(account, question)]
        await self._outbox.add(tx, *told)
        return await answers.insert(tx, account, chatbot.id, [_answer(one) for one in questions])

    async def _begin(
        self,
        tx: Tx,
        account: str,
        chatbot: Chatbot,
        question: _Question,
        stored: Returned | None,
    ) -> _Asked:
        sheet = await self._without_bot(tx, account, chatbot, question)
        if sheet is not None:
            handed = question.talk.public.status != "escalated"
            return _Asked(question.reply, question.watchers, sheet, handed=handed)
        text = question.ask.request.message
        history = turns(question.earlier)
        scene = Scene(account, question.language, chatbot, question.talk, text, history)
        if question.ask.owner is not None:  # while all of this is stored
            scene = question.ask.context.run(self._runner.look, scene)
        return _Asked(question.reply, question.watchers, stored=stored, scene=scene)

    async def _without_bot(
        self, tx: Tx, account: str, chatbot: Chatbot, question: _Question
    ) -> Sheet | None:
        """Where people are asked for or at work the bot is silent: the notice, when one is due."""
        talk, language = question.talk, question.language
        now = datetime.now(UTC)
        if talk.public.status == "escalated":
            told = talk.waiting_told or talk.human
            text = "" if told else _waiting(chatbot, language, now)
        elif chatbot.handoff.enabled and _wants_person(talk, question.ask.request.message):
            handed = await escalation.escalate(
                tx,
                self._outbox,
                account,
                talk.public,
                by="visitor",
                reason="The visitor asked for a person.",
                traceparent=question.ask.traceparent,
            )
            await question.watchers.status(tx, handed)
            text = hours.notice(chatbot.handoff, language, now)
        else:
            return None
        return await self._notice(tx, account, question, text)

    async def _notice(self, tx: Tx, account: str, question: _Question, text: str) -> Sheet:
        """An answer that is finished at once: a notice, or nothing but the end."""
        conversation, reply = question.talk.public, question.reply
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
            stored = await question.watchers.said(tx, notice)
            await conversations.change(tx, account, conversation.id, waiting_told=True)
            shown = stored.id
        frames = Sheet.finished(self._bus, reply, text, shown)
        end = Finish(id=reply.answer_id, status="escalated", frames=frames.all)
        await answers.finish(tx, account, [end])
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


async def _asked_before(
    tx: Tx, account: str, chatbot: Chatbot, asks: Sequence[_Ask]
) -> list[messages.Before | None]:
    """For each message the one sent before, if it was; sent twice at once, one is stored."""
    ids = [ask.request.client_message_id for ask in asks if ask.request.client_message_id]
    if not ids:
        return [None for _ in asks]
    await conversations.hold(tx, *(f"{account}:{id}" for id in ids))
    before = await messages.asked_before(tx, account, chatbot.id, ids)
    return [next((was for was in before if _is_same(ask, was)), None) for ask in asks]


def _is_same(ask: _Ask, was: messages.Before) -> bool:
    theirs = ask.visitor is None or ask.visitor == was.visitor_id
    return theirs and ask.request.client_message_id == was.client_message_id


def _again(was: messages.Before) -> _Asked:
    ids = (was.conversation_id, was.visitor_id, was.message_id, was.answer_id)
    return _Asked(_reply(*ids, repeated=True))


async def _held(tx: Tx, account: str, asks: Sequence[_Ask]) -> dict[str, ConversationRow]:
    ids = [ask.request.conversation_id for ask in asks if ask.request.conversation_id]
    return await conversations.hold_all(tx, account, ids) if ids else {}


def _question(
    chatbot: Chatbot,
    ask: _Ask,
    watchers: Watchers,
    talks: Mapping[str, ConversationRow],
    earlier: Mapping[str, Sequence[Message]],
) -> _Question | NoConversation:
    """A message in the visitor's own conversation, or in a new one."""
    request = ask.request
    message = new_id("msg")
    answer = new_id("ans") if request.answer_id is msgspec.UNSET else request.answer_id
    if request.conversation_id is None:
        talk = conversations.new(
            new_id("conv"),
            chatbot=chatbot.id,
            visitor=ask.visitor or new_id("vis"),
            language=request.language or chatbot.language,
        )
        return _Question(
            ask=ask, talk=talk, watchers=watchers, begins=True, message=message, answer=answer
        )
    talk = talks.get(request.conversation_id)
    if talk is None or talk.public.chatbot_id != chatbot.id:
        return NoConversation()
    if ask.visitor not in (None, talk.public.visitor_id):
        return NoConversation()
    reopens = talk.public.status == "resolved"
    if reopens:
        reopened = msgspec.structs.replace(talk.public, status="open")
        talk = msgspec.structs.replace(talk, public=reopened, human=False)
    return _Question(
        ask=ask,
        talk=talk,
        watchers=watchers,
        reopens=reopens,
        earlier=earlier[talk.public.id],
        message=message,
        answer=answer,
    )


async def _reopen(tx: Tx, account: str, question: _Question) -> None:
    talk = question.talk.public
    await conversations.change(
        tx, account, talk.id, status=talk.status, human=False, waiting_told=False
    )
    await question.watchers.status(tx, talk)


def _message(question: _Question) -> NewMessage:
    request, talk = question.ask.request, question.talk.public
    return NewMessage(
        id=question.message,
        conversation_id=talk.id,
        chatbot_id=talk.chatbot_id,
        sender="visitor",
        text=request.message,
        client_message_id=request.client_message_id,
        metadata=request.metadata,
    )


def _answer(question: _Question) -> NewAnswer:
    return NewAnswer(
        id=question.answer,
        conversation=question.talk.public.id,
        question=question.message,
        message=new_id("msg"),
        language=question.language,
        traceparent=question.ask.traceparent,
        owner=question.ask.owner,
    )


def _events(account: str, question: _Question) -> list[events.Event]:
    """That the conversation began, if it does, and that this was said."""
    talk = question.talk.public
    began = events.NewConversation(
        conversation_id=talk.id,
        chatbot_id=talk.chatbot_id,
        visitor_id=talk.visitor_id,
        language=talk.language,
    )
    said = events.NewMessage(
        conversation_id=talk.id,
        chatbot_id=talk.chatbot_id,
        message_id=question.message,
        message=question.ask.request.message,
        sender="visitor",
        visitor_id=talk.visitor_id,
    )
    return [
        events.make(
            data,
            account=account,
            chatbot=talk.chatbot_id,
            key=talk.id,
            traceparent=question.ask.traceparent,
        )
        for data in ([began, said] if question.begins else [said])
    ]

"""Writing one answer: find passages, let someone write, store the end of it with its events."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal

import msgspec

from libs.common import events
from libs.common.bus import Bus
from libs.common.calls import Chatbot, Conversation
from libs.common.db import Database, Tx
from libs.common.errors import Unavailable
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from libs.common.telemetry import log
from libs.retrieval.passages import Passages
from libs.retrieval.search import Retriever
from services.chat import escalation, hours, metrics, texts, words
from services.chat.answerers.extractive import deltas
from services.chat.answerers.port import Answerer, Delta, Ending, Question, Turn
from services.chat.live import Watchers
from services.chat.sheet import Sheet
from services.chat.store import analytics, answers, chatbots, conversations
from services.chat.store.answers import AnswerRow, Finish
from services.chat.store.conversations import ConversationRow, NewMessage

HISTORY = 20  # earlier messages that are looked at
PASSAGES = 6
MISSES_TO_ESCALATE = 2  # questions in a row that the knowledge did not answer
RETRIEVAL_TIMEOUT = 10.0  # seconds, tries included


class _Scene(msgspec.Struct, frozen=True):
    """What an answer is written from."""

    chatbot: Chatbot
    talk: ConversationRow
    text: str
    history: list[Turn]


class ConversationGone(Exception):
    """The chatbot or the conversation was deleted while the answer waited."""


class Writer:
    def __init__(
        self,
        db: Database,
        bus: Bus,
        outbox: Outbox,
        retriever: Retriever,
        model: Answerer | None,
        extractive: Answerer,
    ) -> None:
        self._db = db
        self._bus = bus
        self._outbox = outbox
        self._retriever = retriever
        self._model = model
        self._extractive = extractive
        self._endings: dict[str, Ending] = {}

    async def write(self, answer: AnswerRow, sheet: Sheet) -> AsyncGenerator[None, None]:
        """Show the answer piece by piece; yields after each, so that it can be stopped."""
        scene = await self._scene(answer)
        self._endings.pop(answer.id, None)
        async with aclosing(self._pieces(answer, scene)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Ending):
                    self._endings[answer.id] = piece
                else:
                    await sheet.write(piece.text)
                    if len(sheet.frames) == 1:
                        metrics.FIRST_TOKEN.observe((sheet.first_token_ms or 0) / 1000)
                yield

    async def _scene(self, answer: AnswerRow) -> _Scene:
        account = answer.account_id
        async with self._db.transaction(account) as tx:
            chatbot = await chatbots.get(tx, account, answer.chatbot_id)
            talk = await conversations.get(tx, account, answer.conversation_id)
            question = await conversations.message(
                tx, account, answer.conversation_id, answer.question_id
            )
            before = await conversations.recent_messages(
                tx, account, answer.conversation_id, answer.question_id, HISTORY
            )
        if chatbot is None or talk is None or question is None:
            raise ConversationGone
        sides: dict[str, Literal["visitor", "bot", "person"]] = {
            "visitor": "visitor",
            "admin": "person",
        }
        history = [Turn(sides.get(m.sender, "bot"), m.text) for m in before if m.text]
        return _Scene(chatbot, talk, question.text, history)

    async def _pieces(
        self, answer: AnswerRow, scene: _Scene
    ) -> AsyncGenerator[Delta | Ending, None]:
        language = answer.language
        if scene.talk.public.status == "escalated":  # people took over while this one waited
            yield Ending(finish="escalated")
            return
        if words.is_greeting(scene.text):
            yield Delta(scene.chatbot.personality.greeting or texts.text(texts.GREETING, language))
            yield Ending()
            return
        if self._model is None and _forbidden(scene):
            yield Delta(texts.text(texts.FORBIDDEN, language))
            yield Ending(finish="no_answer")
            return
        found = await self._find(answer, scene, scene.text)
        if not found.answerable or not found.passages:
            async for piece in _abstention(scene, language):
                yield piece
            return
        question = Question(
            chatbot=scene.chatbot,
            language=language,
            text=scene.text,
            history=scene.history,
            passages=found.passages,
            search=lambda query: self._find(answer, scene, query),
        )
        answerer = await self._answerer(answer, scene.chatbot)
        async with aclosing(answerer.answer(question)) as pieces:
            async for piece in pieces:
                yield piece

    async def _answerer(self, answer: AnswerRow, chatbot: Chatbot) -> Answerer:
        """The model, unless there is none or its budget for today is spent."""
        if self._model is None:
            return self._extractive
        budget = chatbot.limits.daily_tokens
        if budget is not None:
            async with self._db.transaction(answer.account_id) as tx:
                spent = await answers.tokens_today(tx, answer.account_id, chatbot.id)
            if spent >= budget:
                log.info("budget_spent", chatbot=chatbot.id, spent=spent)
                return self._extractive
        return self._model

    async def _find(self, answer: AnswerRow, scene: _Scene, query: str) -> Passages:
        """Passages for a question; the store may be away for a moment."""
        earlier = [turn.text for turn in scene.history if turn.by == "visitor"]
        started = time.perf_counter()
        outcome = "failed"
        try:
            async with asyncio.timeout(RETRIEVAL_TIMEOUT):
                while True:
                    try:
                        found = await self._retriever.search(
                            answer.account_id,
                            answer.chatbot_id,
                            query,
                            limit=PASSAGES,
                            history=earlier[-3:],
                            language=answer.language,
                        )
                    except Unavailable as exc:
                        log.warning("search_repeated", reason=exc.message)
                        await asyncio.sleep(random.uniform(0.2, 0.6))
                    else:
                        outcome = "answerable" if found.answerable else "below_floor"
                        return found
        except TimeoutError as exc:
            raise Unavailable("The knowledge could not be searched in time.") from exc
        finally:
            metrics.RETRIEVAL_SECONDS.labels(outcome).observe(time.perf_counter() - started)

    # -- endings -----------------------------------------------------------------------------

    async def finish(self, answer: AnswerRow, sheet: Sheet, owner: str) -> None:
        """Store message, events and end of the answer together, then show the last frame."""
        ending = self._endings.get(answer.id, Ending())
        shown = len(sheet.frames)
        watchers = Watchers(self._bus, answer.account_id)
        async with self._db.transaction(answer.account_id) as tx:
            talk = await conversations.get(tx, answer.account_id, answer.conversation_id, lock=True)
            chatbot = await chatbots.get(tx, answer.account_id, answer.chatbot_id)
            if talk is None or chatbot is None:
                return
            if ending.finish == "escalated":
                await sheet.add_notice(
                    await self._hand_over(tx, answer, chatbot, talk, ending, watchers)
                )
            elif ending.finish == "no_answer":
                ending = await self._missed(tx, answer, chatbot, talk, sheet, ending, watchers)
            elif talk.floor_misses:
                await conversations.change(tx, answer.account_id, talk.public.id, floor_misses=0)
            message = await self._store_message(
                tx, answer, talk.public, sheet.text, ending, watchers
            )
            sheet.end(message, ending.finish, ending.sources)
            await self._end(tx, answer, sheet, owner, ending.finish, ending)
        self._endings.pop(answer.id, None)
        await sheet.send_last()
        await watchers.send()
        metrics.ANSWERS.labels(ending.finish).inc()
        metrics.TOKENS.labels("input").inc(ending.input_tokens)
        metrics.TOKENS.labels("output").inc(ending.output_tokens)
        metrics.COST.inc(ending.cost_usd)
        log.info(
            "answered", answer=answer.id, finish=ending.finish, frames=shown,
            first_token_ms=sheet.first_token_ms, sources=len(ending.sources),
        )  # fmt: skip

    async def _hand_over(
        self,
        tx: Tx,
        answer: AnswerRow,
        chatbot: Chatbot,
        talk: ConversationRow,
        ending: Ending,
        watchers: Watchers,
    ) -> str:
        """Escalate on the bot's word; the notice to add, empty when people have it already."""
        if talk.public.status == "escalated" or not chatbot.handoff.enabled:
            return ""
        recent = await conversations.recent_messages(
            tx, answer.account_id, talk.public.id, "msg_\uffff", escalation.SUMMARY_MESSAGES
        )
        handed = await escalation.escalate(
            tx,
            self._outbox,
            answer.account_id,
            talk.public,
            by="bot",
            reason=ending.reason or "The knowledge does not answer the questions.",
            summary=ending.summary or escalation.summary_of(recent),
        )
        await conversations.change(tx, answer.account_id, talk.public.id, waiting_told=True)
        await watchers.status(tx, handed)
        return hours.notice(chatbot.handoff, answer.language, datetime.now(UTC))

    async def _missed(
        self,
        tx: Tx,
        answer: AnswerRow,
        chatbot: Chatbot,
        talk: ConversationRow,
        sheet: Sheet,
        ending: Ending,
        watchers: Watchers,
    ) -> Ending:
        """Keep the question as unanswered; the second in a row goes to people."""
        metrics.ABSTENTIONS.inc()
        question = await conversations.message(
            tx, answer.account_id, talk.public.id, answer.question_id
        )
        await analytics.add_unanswered(
            tx,
            answer.account_id,
            id=new_id("note"),
            chatbot=chatbot.id,
            conversation=talk.public.id,
            question=question.text if question else "",
            language=answer.language,
        )
        misses = talk.floor_misses + 1
        await conversations.change(tx, answer.account_id, talk.public.id, floor_misses=misses)
        if misses < MISSES_TO_ESCALATE or not chatbot.handoff.enabled:
            return ending
        await sheet.add_notice(await self._hand_over(tx, answer, chatbot, talk, ending, watchers))
        return msgspec.structs.replace(ending, finish="escalated", sources=[])

    async def _store_message(
        self,
        tx: Tx,
        answer: AnswerRow,
        conversation: Conversation,
        text: str,
        ending: Ending,
        watchers: Watchers,
    ) -> str:
        """The bot's message with its event; its id. Nothing was said: the question's."""
        if not text:
            return answer.question_id
        message = await conversations.add_message(
            tx,
            answer.account_id,
            NewMessage(
                id=answer.message_id,
                conversation_id=conversation.id,
                chatbot_id=conversation.chatbot_id,
                sender="bot",
                text=text,
                sources=ending.sources,
                status=ending.finish,
                answer_id=answer.id,
            ),
        )
        await watchers.message(tx, message)
        said = events.NewMessage(
            conversation_id=conversation.id,
            chatbot_id=conversation.chatbot_id,
            message_id=message.id,
            message=text,
            sender="bot",
            visitor_id=conversation.visitor_id,
        )
        await self._outbox.add(
            tx,
            events.make(
                said,
                account=answer.account_id,
                chatbot=conversation.chatbot_id,
                key=conversation.id,
            ),
        )
        return message.id

    async def _end(
        self,
        tx: Tx,
        answer: AnswerRow,
        sheet: Sheet,
        owner: str,
        status: str,
        ending: Ending | None = None,
    ) -> None:
        spent = ending or Ending()
        ours = await answers.finish(
            tx,
            answer.account_id,
            answer.id,
            Finish(
                status=status,
                frames=sheet.all,
                first_token_ms=sheet.first_token_ms,
                input_tokens=spent.input_tokens,
                output_tokens=spent.output_tokens,
                cost_usd=spent.cost_usd,
            ),
            owner=owner,
        )
        if not ours:
            raise LostLease

    async def stopped(self, answer: AnswerRow, sheet: Sheet, owner: str) -> None:
        """The visitor had enough: what was said stands."""
        await self._cut(answer, sheet, owner, "stopped", sheet.text, None)

    async def failed(
        self, answer: AnswerRow, sheet: Sheet, owner: str, code: str, message: str
    ) -> None:
        """The last frame says that and why it failed; it is never just cut."""
        text = sheet.text or texts.text(texts.FAILED, answer.language)
        await self._cut(answer, sheet, owner, "error", text, (code, message))

    async def _cut(
        self,
        answer: AnswerRow,
        sheet: Sheet,
        owner: str,
        status: str,
        text: str,
        error: tuple[str, str] | None,
    ) -> None:
        watchers = Watchers(self._bus, answer.account_id)
        async with self._db.transaction(answer.account_id) as tx:
            talk = await conversations.get(tx, answer.account_id, answer.conversation_id, lock=True)
            if talk is None:
                return
            stored = answer.question_id
            if text:
                ending = Ending()
                message = NewMessage(
                    id=answer.message_id,
                    conversation_id=answer.conversation_id,
                    chatbot_id=answer.chatbot_id,
                    sender="bot",
                    text=text,
                    sources=ending.sources,
                    status=status,
                    answer_id=answer.id,
                )
                added = await conversations.add_message(tx, answer.account_id, message)
                await watchers.message(tx, added)
                stored = added.id
            sheet.end(stored, status, [], error)
            await self._end(tx, answer, sheet, owner, status)
        self._endings.pop(answer.id, None)
        await sheet.send_last()
        await watchers.send()
        metrics.ANSWERS.labels(status).inc()


class LostLease(Exception):
    """Another process has taken this answer over; nothing of ours is stored."""


def _forbidden(scene: _Scene) -> bool:
    said = words.fold(scene.text)
    topics = scene.chatbot.personality.forbidden_topics
    return any(words.fold(topic) in said for topic in topics if topic.strip())


async def _abstention(scene: _Scene, language: str) -> AsyncGenerator[Delta | Ending, None]:
    """Say that it is not known, in the visitor's language, and offer a person."""
    told = texts.text(texts.NO_ANSWER, language)
    repeated = scene.talk.floor_misses + 1 >= MISSES_TO_ESCALATE
    if scene.chatbot.handoff.enabled and not repeated:
        told += " " + texts.text(texts.OFFER_PERSON, language)
    for piece in deltas(told):
        yield Delta(piece)
    yield Ending(finish="no_answer")

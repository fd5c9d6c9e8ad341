"""The end of an answer: its message, its events and what follows from it, stored together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from libs.common import events
from libs.common.bus import Bus
from libs.common.calls import Chatbot, Source
from libs.common.db import Database, Tx
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from libs.common.telemetry import log
from services.chat import escalation, hours, metrics, texts
from services.chat.answerers.port import Ending
from services.chat.live import Watchers
from services.chat.sheet import Sheet
from services.chat.store import analytics, answers, chatbots, conversations, messages
from services.chat.store.answers import AnswerRow, Finish
from services.chat.store.conversations import ConversationRow
from services.chat.store.messages import LAST, NewMessage

MISSES_TO_ESCALATE = 2  # questions in a row that the knowledge did not answer


class LostLease(Exception):
    """Another process has ended this answer or taken it over; nothing of ours is stored."""


class _Unit(msgspec.Struct, frozen=True):
    """One answer that ends, in one transaction that holds it and its conversation."""

    tx: Tx
    answer: AnswerRow
    talk: ConversationRow
    watchers: Watchers

    @property
    def account(self) -> str:
        return self.answer.account_id

    async def change(self, **columns: object) -> None:
        await conversations.change(self.tx, self.account, self.talk.public.id, **columns)

    async def chatbot(self) -> Chatbot:
        found = await chatbots.get(self.tx, self.account, self.answer.chatbot_id)
        if found is None:
            raise LostLease
        return found


class Ends:
    def __init__(self, db: Database, bus: Bus, outbox: Outbox) -> None:
        self._db = db
        self._bus = bus
        self._outbox = outbox

    async def finish(self, answer: AnswerRow, sheet: Sheet, owner: str) -> None:
        """Store an answer that was written to its end, then show the last frame."""
        shown = len(sheet.frames)
        async with self._unit(answer, sheet, owner) as unit:
            ending = sheet.ending
            if ending.finish == "escalated":
                ending = await self._escalated(unit, sheet, ending)
            elif ending.finish == "no_answer":
                ending = await self._missed(unit, sheet, ending)
            elif unit.talk.floor_misses:
                await unit.change(floor_misses=0)
            await self._store(unit, sheet, sheet.text, ending.finish, ending.sources)
        log.info(
            "answered", answer=answer.id, finish=ending.finish, frames=shown,
            first_token_ms=sheet.first_token_ms, sources=len(ending.sources),
        )  # fmt: skip

    async def stopped(self, answer: AnswerRow, sheet: Sheet, owner: str) -> None:
        """The visitor had enough: what was said stands."""
        async with self._unit(answer, sheet, owner) as unit:
            await self._store(unit, sheet, sheet.text, "stopped")

    async def failed(
        self, answer: AnswerRow, sheet: Sheet, owner: str, code: str, message: str
    ) -> None:
        """The last frame says that and why it failed; it is never just cut."""
        text = sheet.text or texts.text(texts.FAILED, answer.language)
        async with self._unit(answer, sheet, owner) as unit:
            await self._store(unit, sheet, text, "error", error=(code, message))

    @asynccontextmanager
    async def _unit(
        self, answer: AnswerRow, sheet: Sheet, owner: str
    ) -> AsyncGenerator[_Unit, None]:
        """Raises `LostLease` when it is not ours to end, or nothing is left to end it in."""
        account = answer.account_id
        watchers = Watchers(self._bus, account)
        async with self._db.transaction(account, pipelined=True) as tx:
            talk = await conversations.hold_for(tx, account, answer.id, owner)
            if talk is None:
                raise LostLease
            yield _Unit(tx, answer, talk, watchers)
        await sheet.send_last()
        await watchers.send()

    # -- what follows ------------------------------------------------------------------------

    async def _escalated(self, unit: _Unit, sheet: Sheet, ending: Ending) -> Ending:
        """Pass the conversation on and say so, unless people have it already."""
        if unit.talk.public.status == "escalated":
            return ending
        handoff = (await unit.chatbot()).handoff
        if not handoff.enabled:
            return await self._missed(unit, sheet, ending)
        recent = await messages.recent(
            unit.tx, unit.account, unit.talk.public.id, LAST, escalation.SUMMARY_MESSAGES
        )
        handed = await escalation.escalate(
            unit.tx,
            self._outbox,
            unit.account,
            unit.talk.public,
            by="bot",
            reason=ending.reason or "The knowledge does not answer the questions.",
            summary=ending.summary or escalation.summary_of(recent),
        )
        await unit.change(waiting_told=True)
        await unit.watchers.status(unit.tx, handed)
        told = hours.notice(handoff, unit.answer.language, datetime.now(UTC))
        await sheet.add_notice(told)
        return msgspec.structs.replace(ending, finish="escalated", sources=[])

    async def _missed(self, unit: _Unit, sheet: Sheet, ending: Ending) -> Ending:
        """Keep the question as unanswered; the second in a row goes to people."""
        metrics.ABSTENTIONS.inc()
        question = await messages.get(
            unit.tx, unit.account, unit.talk.public.id, unit.answer.question_id
        )
        await analytics.add_unanswered(
            unit.tx,
            unit.account,
            id=new_id("note"),
            chatbot=unit.answer.chatbot_id,
            conversation=unit.talk.public.id,
            question=question.text if question else "",
            language=unit.answer.language,
        )
        misses = unit.talk.floor_misses + 1
        await unit.change(floor_misses=misses)
        ending = msgspec.structs.replace(ending, finish="no_answer", sources=[])
        if misses < MISSES_TO_ESCALATE or not (await unit.chatbot()).handoff.enabled:
            return ending
        return await self._escalated(unit, sheet, ending)

    # -- storing -----------------------------------------------------------------------------

    async def _store(
        self,
        unit: _Unit,
        sheet: Sheet,
        text: str,
        status: str,
        sources: list[Source] | None = None,
        error: tuple[str, str] | None = None,
    ) -> None:
        """The message, if anything was said, with its event; and the answer's last frame."""
        answer = unit.answer
        message = answer.question_id
        if text:
            message = await self._say(unit, text, status, sources or [])
        sheet.end(message, status, sources or [], error)
        spent = sheet.spent
        finish = Finish(
            status=status,
            frames=sheet.all,
            first_token_ms=sheet.first_token_ms,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cost_usd=spent.cost_usd,
        )
        await answers.finish(unit.tx, unit.account, answer.id, finish)
        metrics.ANSWERS.labels(status).inc()
        metrics.TOKENS.labels("input").inc(spent.input_tokens)
        metrics.TOKENS.labels("output").inc(spent.output_tokens)
        metrics.COST.inc(spent.cost_usd)

    async def _say(self, unit: _Unit, text: str, status: str, sources: list[Source]) -> str:
        talk = unit.talk.public
        message = await unit.watchers.said(
            unit.tx,
            NewMessage(
                id=unit.answer.message_id,
                conversation_id=talk.id,
                chatbot_id=talk.chatbot_id,
                sender="bot",
                text=text,
                sources=sources,
                status=status,
                answer_id=unit.answer.id,
            ),
        )
        said = events.NewMessage(
            conversation_id=talk.id,
            chatbot_id=talk.chatbot_id,
            message_id=message.id,
            message=text,
            sender="bot",
            visitor_id=talk.visitor_id,
        )
        await self._outbox.add(
            unit.tx,
            events.make(said, account=unit.account, chatbot=talk.chatbot_id, key=talk.id),
        )
        return message.id

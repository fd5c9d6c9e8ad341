"""The end of an answer: its message, its events and what follows from it, stored together."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from libs.common import events
from libs.common.bus import Bus
from libs.common.calls import Chatbot, Source
from libs.common.db import Database, Tx
from libs.common.groups import GroupCommit
from libs.common.ids import new_id
from libs.common.outbox import Outbox
from libs.common.telemetry import log, traceparent
from services.chat import escalation, hours, metrics, texts
from services.chat.answerers.port import Ending
from services.chat.live import Watchers
from services.chat.sheet import Sheet
from services.chat.store import analytics, answers, chatbots, conversations, messages
from services.chat.store.answers import AnswerRow, Finish
from services.chat.store.conversations import ConversationRow
from services.chat.store.messages import NewMessage

MISSES_TO_ESCALATE = 2  # questions in a row that the knowledge did not answer


class LostLease(Exception):
    """Another process has ended this answer or taken it over; nothing of ours is stored."""


class _Unit(msgspec.Struct, frozen=True):
    """One answer that ends, in a transaction that holds it and its conversation."""

    tx: Tx
    end: "_End"
    talk: ConversationRow
    watchers: Watchers

    @property
    def answer(self) -> AnswerRow:
        return self.end.answer

    @property
    def sheet(self) -> Sheet:
        return self.end.sheet

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


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer ends: its message's text (none where it is empty) and its last frame."""

    status: str
    text: str
    sources: list[Source] = []
    error: tuple[str, str] | None = None  # code and message
    missed: bool = False  # the knowledge did not answer it
    handed: bool = False  # people have the conversation now


Decide: TypeAlias = Callable[[_Unit], Awaitable[_Outcome]]


class _End(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is to end; ``decide`` stores what follows from it besides."""

    answer: AnswerRow
    sheet: Sheet
    owner: str
    decide: Decide
    traceparent: str


class _Ended(msgspec.Struct, frozen=True):
    unit: _Unit
    outcome: _Outcome


class Ends:
    def __init__(self, db: Database, bus: Bus, outbox: Outbox) -> None:
        self._bus = bus
        self._outbox = outbox
        self._groups: GroupCommit[_End, _Ended] = GroupCommit(
            db, self._store, self._stored, keys=lambda end: frozenset({end.answer.conversation_id})
        )

    async def finish(self, answer: AnswerRow, sheet: Sheet, owner: str) -> None:
        """Store an answer that was written to its end, then show the last frame."""
        shown = len(sheet.frames)
        outcome = await self._end(answer, sheet, owner, self._finished)
        log.info(
            "answered", answer=answer.id, finish=outcome.status, frames=shown,
            first_token_ms=sheet.first_token_ms, sources=len(outcome.sources),
        )  # fmt: skip

    async def stopped(self, answer: AnswerRow, sheet: Sheet, owner: str) -> None:
        """The visitor had enough: what was said stands."""

        async def decide(_: _Unit) -> _Outcome:
            return _Outcome(status="stopped", text=sheet.text)

        await self._end(answer, sheet, owner, decide)

    async def failed(
        self, answer: AnswerRow, sheet: Sheet, owner: str, code: str, message: str
    ) -> None:
        """The last frame says that and why it failed; it is never just cut."""

        async def decide(_: _Unit) -> _Outcome:
            text = sheet.text or texts.text(texts.FAILED, answer.language)
            return _Outcome(status="error", text=text, error=(code, message))

        await self._end(answer, sheet, owner, decide)

    async def _end(self, answer: AnswerRow, sheet: Sheet, owner: str, decide: Decide) -> _Outcome:
        """Raises `LostLease` when it is not ours to end, or nothing is left to end it in."""
        end = _End(
            answer=answer, sheet=sheet, owner=owner, decide=decide, traceparent=traceparent()
        )
        group = (answer.chatbot_id, owner)
        return (await self._groups.run(answer.account_id, group, end)).outcome

    async def _stored(self, ended: _Ended) -> None:
        """Only now that it is safe the last frame is shown."""
        _count(ended)
        await ended.unit.sheet.send_last()
        await ended.unit.watchers.send()

    # -- storing: all that ends together ------------------------------------------------------

    async def _store(self, tx: Tx, account: str, ends: Sequence[_End]) -> list[_Ended | LostLease]:
        """Answers of one chatbot and owner: their messages with their events, the last frames."""
        theirs = {end.answer.id: end.answer.conversation_id for end in ends}
        talks = await conversations.hold_for(tx, account, theirs, ends[0].owner)
        held = [
            _Unit(tx, end, talks[end.answer.id], Watchers(self._bus, account))
            for end in ends
            if end.answer.id in talks
        ]
        ended = [_Ended(unit, await unit.end.decide(unit)) for unit in held]
        said = [one for one in ended if one.outcome.text]
        if said:
            await self._say(tx, account, said)
        if ended:
            await answers.finish(tx, account, [_finish(one) for one in ended])
        done = {one.unit.answer.id: one for one in ended}
        return [done.get(end.answer.id) or LostLease() for end in ends]

    async def _say(self, tx: Tx, account: str, said: Sequence[_Ended]) -> None:
        """The messages, with their events."""
        added = await messages.add(tx, account, *map(_message, said))
        for one, (_, told) in zip(said, added, strict=True):
            one.unit.watchers.keep(told)
        await self._outbox.add(tx, *map(_event, said))

    # -- what follows ------------------------------------------------------------------------

    async def _finished(self, unit: _Unit) -> _Outcome:
        ending = unit.sheet.ending
        if ending.finish == "escalated":
            ending = await self._escalated(unit, ending)
        elif ending.finish == "no_answer":
            ending = await self._missed(unit, ending)
        elif unit.talk.floor_misses:
            await unit.change(floor_misses=0)
        return _Outcome(
            status=ending.finish,
            text=unit.sheet.text,
            sources=ending.sources,
            missed="no_answer" in (ending.finish, unit.sheet.ending.finish),
            handed=ending.finish == "escalated" and unit.talk.public.status != "escalated",
        )

    async def _escalated(self, unit: _Unit, ending: Ending) -> Ending:
        """Pass the conversation on and say so, unless people have it already."""
        if unit.talk.public.status == "escalated":
            return ending
        handoff = (await unit.chatbot()).handoff
        if not handoff.enabled:
            return await self._missed(unit, ending)
        handed = await escalation.escalate(
            unit.tx,
            self._outbox,
            unit.account,
            unit.talk.public,
            by="bot",
            reason=ending.reason or "The knowledge does not answer the questions.",
            summary=ending.summary,
            traceparent=unit.end.traceparent,
        )
        await unit.change(waiting_told=True)
        await unit.watchers.status(unit.tx, handed)
        told = hours.notice(handoff, unit.answer.language, datetime.now(UTC))
        await unit.sheet.add_notice(told)
        return msgspec.structs.replace(ending, finish="escalated", sources=[])

    async def _missed(self, unit: _Unit, ending: Ending) -> Ending:
        """Keep the question as unanswered; the second in a row goes to people."""
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
        return await self._escalated(unit, ending)


def _message(ended: _Ended) -> NewMessage:
    answer, talk = ended.unit.answer, ended.unit.talk.public
    return NewMessage(
        id=answer.message_id,
        conversation_id=talk.id,
        chatbot_id=talk.chatbot_id,
        sender="bot",
        text=ended.outcome.text,
        sources=ended.outcome.sources,
        status=ended.outcome.status,
        answer_id=answer.id,
    )


def _event(ended: _Ended) -> events.Event:
    talk = ended.unit.talk.public
    said = events.NewMessage(
        conversation_id=talk.id,
        chatbot_id=talk.chatbot_id,
        message_id=ended.unit.answer.message_id,
        message=ended.outcome.text,
        sender="bot",
        visitor_id=talk.visitor_id,
    )
    return events.make(
        said,
        account=ended.unit.account,
        chatbot=talk.chatbot_id,
        key=talk.id,
        traceparent=ended.unit.end.traceparent,
    )


def _finish(ended: _Ended) -> Finish:
    """The end of the answer, with its last frame."""
    answer, sheet, outcome = ended.unit.answer, ended.unit.sheet, ended.outcome
    message = answer.message_id if outcome.text else answer.question_id
    sheet.end(message, outcome.status, outcome.sources, outcome.error)
    return Finish(
        id=answer.id,
        status=outcome.status,
        frames=sheet.all,
        first_token_ms=sheet.first_token_ms,
        input_tokens=sheet.spent.input_tokens,
        output_tokens=sheet.spent.output_tokens,
        cost_usd=sheet.spent.cost_usd,
    )


def _count(ended: _Ended) -> None:
    outcome, spent = ended.outcome, ended.unit.sheet.spent
    metrics.ANSWERS.labels(outcome.status).inc()
    metrics.TOKENS.labels("input").inc(spent.input_tokens)
    metrics.TOKENS.labels("output").inc(spent.output_tokens)
    metrics.COST.inc(spent.cost_usd)
    if outcome.missed:
        metrics.ABSTENTIONS.inc()
    if outcome.handed:
        metrics.ESCALATIONS.labels("bot").inc()

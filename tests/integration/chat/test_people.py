"""People and the bot in one conversation; and people who are erased."""

import asyncio
import csv
import io
import time
from typing import Any

import pytest

from libs.common import calls
from libs.common.ids import new_id
from libs.common.testing.model import Model, Script
from services.chat import texts
from tests.integration.chat.conftest import PATIENCE, Chat

QUESTION = "How do I reset my password?"
ANSWER = "You can reset your password by clicking the 'Forgot Password' link."


def names(events: list[Any]) -> list[str]:
    return [event.__struct_config__.tag for event in events]


async def test_two_unanswered_questions_in_a_row_call_a_person_once(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)

    first = await chat.ask(bot, "Wie hoch ist der Mount Everest?", language="de")
    talk = first.asked.conversation_id
    second = await chat.ask(
        bot, "Wer gewann 1974 die Weltmeisterschaft?", conversation_id=talk, language="de"
    )
    third = await chat.ask(bot, "Hallo? Ist da jemand?", conversation_id=talk, language="de")

    assert texts.text(texts.OFFER_PERSON, "de") in first.text
    assert second.finish == "escalated"
    assert texts.text(texts.HANDED_OVER, "de") in second.text
    assert third.finish == "escalated"
    assert names(await chat.events(talk)).count("escalation") == 1
    state = (await chat.conversation(talk)).escalation
    assert state is not None
    assert state.by == "bot"
    assert "Everest" in state.summary


async def test_yes_to_the_offer_calls_a_person_and_no_does_not(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    for said, status in (("Yes, please", "escalated"), ("No, thanks", "open")):
        talk = (await chat.ask(bot, "How high is Mount Everest?")).asked.conversation_id
        await chat.ask(bot, said, conversation_id=talk)
        assert (await chat.conversation(talk)).status == status, said


async def test_thanks_are_not_unanswered_questions(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    talk = (await chat.ask(bot, QUESTION)).asked.conversation_id
    for _ in range(2):
        answer = await chat.ask(bot, "Thank you!", conversation_id=talk)
        assert (answer.finish, answer.text) == ("complete", texts.WELCOME)
    groups = await chat.call(calls.ANALYTICS_UNANSWERED, calls.ListUnanswered(chatbot_id=bot))
    assert groups.data == []


async def test_the_bot_is_silent_from_a_reply_until_the_conversation_is_handed_back(
    chat: Chat,
) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    talk = (await chat.ask(bot, "I want to talk to a human")).asked.conversation_id
    reply = calls.ReplyToConversation(id=talk, message="Hello, I am Ann.")
    await chat.call(calls.CONVERSATION_REPLY, reply)

    silent = await chat.ask(bot, QUESTION, conversation_id=talk)
    await chat.call(calls.CONVERSATION_HANDBACK, calls.ById(id=talk))
    again = await chat.ask(bot, QUESTION, conversation_id=talk)

    assert (silent.finish, silent.text) == ("escalated", "")
    assert (again.finish, again.text) == ("complete", ANSWER)
    told = names(await chat.events(talk))
    assert (told.count("escalation"), told.count("admin_reply")) == (1, 1)


async def test_a_reply_needs_an_escalated_conversation_or_force(chat: Chat) -> None:
    bot = await chat.bot()
    talk = (await chat.ask(bot, "Hello")).asked.conversation_id
    reply = calls.ReplyToConversation(id=talk, message="Hi")
    assert await chat.refused(calls.CONVERSATION_REPLY, reply) == "not_escalated"
    forced = calls.ReplyToConversation(id=talk, message="Hi", force=True)
    assert (await chat.call(calls.CONVERSATION_REPLY, forced)).author == "Ann"
    assert (await chat.conversation(talk)).status == "escalated"


async def test_a_person_who_replies_stops_what_the_bot_is_writing(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(Script("word " * 500 + "[1].", delay=0.05))
    ask = calls.Ask(chatbot_id=bot, message=QUESTION, answer_id=new_id("ans"))
    asked = await talking.call(calls.MESSAGE_CREATE, ask)
    while not model.requests:  # then it is being answered
        await asyncio.sleep(0.02)

    reply = calls.ReplyToConversation(id=asked.conversation_id, message="Let me.", force=True)
    await talking.call(calls.CONVERSATION_REPLY, reply)

    answer = await talking.answer(bot, asked)
    assert answer.finish == "stopped"
    assert len(answer.text.split()) < 500


async def test_an_answer_is_stopped_before_its_first_word(talking: Chat, model: Model) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(Script("never", hang_after=0))
    ask = calls.Ask(chatbot_id=bot, message=QUESTION, answer_id=new_id("ans"))
    asked = await talking.call(calls.MESSAGE_CREATE, ask)
    while not model.requests:  # then it is being answered
        await asyncio.sleep(0.02)

    stop = calls.StopAnswer(chatbot_id=bot, answer_id=asked.answer_id)
    await talking.call(calls.ANSWER_STOP, stop)

    answer = await talking.answer(bot, asked)
    assert (answer.finish, answer.text) == ("stopped", "")
    again = await talking.ask(bot, QUESTION, conversation_id=asked.conversation_id)
    assert again.finish == "complete"


async def test_every_message_of_the_bot_is_an_event_and_costs_what_it_took(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(Script("This is the beginning of", error_after=3))

    broken = await talking.ask(bot, QUESTION)

    talk = broken.asked.conversation_id
    said = {m.id for m in await talking.messages(talk)}
    told = [e.message_id for e in await talking.events(talk) if hasattr(e, "sender")]
    assert sorted(told) == sorted(said)
    usage = await talking.call(calls.CHAT_USAGE, calls.NoParameters())
    assert usage.tokens > 120  # what was sent, and an estimate of what came back


async def test_without_people_none_is_offered_and_none_called(talking: Chat, model: Model) -> None:
    bot = await talking.bot(handoff=calls.Handoff(enabled=False))
    await talking.knows(bot, QUESTION, ANSWER)

    for _ in range(3):
        answer = await talking.ask(bot, "How high is Mount Everest?", visitor_id="vis_alone")
        assert answer.finish == "no_answer"
        assert texts.OFFER_PERSON not in answer.text
    await talking.ask(bot, QUESTION)
    assert [tool["name"] for tool in model.last["tools"]] == ["search_knowledge"]


async def test_a_message_waits_its_turn_outside_the_business_hours(chat: Chat) -> None:
    closed = calls.Handoff(
        business_hours=[calls.OpenHours(day=1, open="00:00", close="00:01")],
        out_of_hours_message="Back on Monday.",
    )
    bot = await chat.bot(handoff=closed)
    answer = await chat.ask(bot, "I want to talk to a human")
    assert answer.text == "Back on Monday."


async def test_feedback_is_changeable_and_told_once_for_each_change(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    answer = await chat.ask(bot, QUESTION)
    talk, message = answer.asked.conversation_id, answer.last["messageId"]
    for rating in ("up", "up", "down"):
        given = calls.GiveFeedback(id=talk, message_id=message, rating=rating)
        await chat.call(calls.CONVERSATION_FEEDBACK, given)
    told = [e.rating for e in await chat.events(talk) if hasattr(e, "rating")]
    assert told == ["up", "down"]


async def test_an_exported_sheet_executes_nothing(chat: Chat) -> None:
    bot = await chat.bot()
    formula = '=HYPERLINK("http://evil.example","Click")'
    talk = (await chat.ask(bot, formula)).asked.conversation_id
    parts = [
        part.content
        async for part in chat.bus.stream(
            calls.CONVERSATION_EXPORT, calls.ExportConversation(id=talk), chat.context
        )
    ]
    rows = list(csv.reader(io.StringIO("".join(parts).lstrip("\ufeff"))))
    assert rows[0] == ["timestamp", "sender", "author", "message", "messageId"]
    assert rows[1][3] == "'" + formula
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


async def test_an_agents_reply_is_offered_as_a_draft_for_the_question(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    talk = (await chat.ask(bot, "Do you sell gift cards?")).asked.conversation_id
    await chat.ask(bot, "Can I buy gift cards here?")
    reply = calls.ReplyToConversation(id=talk, message="Yes, from 20 euros.", force=True)
    await chat.call(calls.CONVERSATION_REPLY, reply)

    found = await chat.call(calls.ANALYTICS_UNANSWERED, calls.ListUnanswered(chatbot_id=bot))

    assert [(g.count, g.draft) for g in found.data] == [(2, "Yes, from 20 euros.")]


# -- erased ----------------------------------------------------------------------------------


async def rows_left(chat: Chat, what: str) -> int:
    """Rows of any table that still mention something."""
    left = 0
    tables = ("visitors", "conversations", "messages", "answers", "live_events", "outbox")
    async with chat.db.system() as tx:
        for table in tables:
            cursor = await tx.execute(
                f"select count(*) as n from {table} t where t.account_id = %s"
                + (
                    " and encode(t.body, 'escape') like %s"
                    if table == "outbox"
                    else " and t::text like %s"
                ),
                (chat.account, f"%{what}%"),
            )
            row = await cursor.fetchone()
            left += row["n"] if row else 0
    return left


async def test_a_visitor_is_erased_here_and_in_the_logs_of_webhooks(chat: Chat) -> None:
    bot = await chat.bot()
    mine = await chat.ask(bot, "My secret is 4711", visitor_id="vis_gone")
    other = await chat.ask(bot, "Hello", visitor_id="vis_stays")

    made = await chat.call(calls.VISITOR_DELETE, calls.ById(id="vis_gone"))

    assert (await chat.job(made.job)).status == "done"
    assert chat.forgotten == [mine.asked.conversation_id]
    assert await rows_left(chat, "4711") == 0
    assert await rows_left(chat, "vis_gone") == 0
    assert len(await chat.messages(other.asked.conversation_id)) == 2
    gone = calls.ById(id=mine.asked.conversation_id)
    assert await chat.refused(calls.CONVERSATION_GET, gone) == "not_found"


async def test_what_is_past_its_retention_is_forgotten_everywhere(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.chat.jobs.FORGET_INTERVAL", 0.2)
    chat = await start()
    bot = await chat.bot(retention_days=30)
    old = await chat.ask(bot, "My secret is 4711", visitor_id="vis_old")
    new = await chat.ask(bot, "Hello", visitor_id="vis_new")
    async with chat.db.system() as tx:
        await tx.execute(
            "update conversations set last_message_at = now() - interval '31 days' where id = %s",
            (old.asked.conversation_id,),
        )
        await tx.execute(
            "update visitors set last_seen_at = now() - interval '31 days' where id = 'vis_old'"
        )

    end = time.monotonic() + PATIENCE
    while not chat.forgotten or await rows_left(chat, "vis_old"):
        assert time.monotonic() < end, chat.forgotten
        await asyncio.sleep(0.1)
    assert chat.forgotten == [old.asked.conversation_id]
    assert await rows_left(chat, "4711") == 0
    assert len(await chat.messages(new.asked.conversation_id)) == 2


async def test_a_deleted_chatbot_is_gone_at_once_and_its_job_says_when_all_is(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    await chat.ask(bot, "My secret is 4711")

    made = await chat.call(calls.CHATBOT_DELETE, calls.ById(id=bot))

    assert await chat.refused(calls.CHATBOT_GET, calls.ById(id=bot)) == "not_found"
    assert (await chat.job(made.job)).status == "done"
    assert await rows_left(chat, "4711") == 0

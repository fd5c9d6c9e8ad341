"""Answers: cited, ordered, kept, asked for once; and what happens when a model fails."""

import asyncio
import time

import msgspec
import pytest

from libs.common import calls
from libs.common.errors import AppError
from libs.common.ids import new_id
from libs.common.testing.model import Model, Script
from services.chat.store.answers import HELD
from tests.integration.chat.conftest import PATIENCE, Chat

QUESTION = "How do I reset my password?"
ANSWER = "You can reset your password by clicking the 'Forgot Password' link."


async def test_an_answer_is_quoted_from_the_knowledge_and_names_it(chat: Chat) -> None:
    bot = await chat.bot()
    item = await chat.knows(bot, QUESTION, ANSWER)

    answer = await chat.ask(bot, "How can I reset the password?")

    assert answer.text == ANSWER
    assert answer.finish == "complete"
    assert [s["knowledgeId"] for s in answer.last["sources"]] == [item]
    assert answer.last["sources"][0]["quote"] in ANSWER
    kept = await chat.answer(bot, answer.asked)
    assert kept.frames == answer.frames
    said = await chat.messages(answer.asked.conversation_id)
    assert [(m.sender, m.text) for m in said] == [
        ("visitor", "How can I reset the password?"),
        ("bot", ANSWER),
    ]
    assert said[1].id == answer.last["messageId"]


async def test_a_question_beyond_the_knowledge_is_declined_in_its_language(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)

    answer = await chat.ask(bot, "Was ist die Hauptstadt von Peru?", language="de")

    assert answer.finish == "no_answer"
    assert answer.last["sources"] == []
    assert "keine Antwort" in answer.text or "Antwort" in answer.text
    groups = await chat.call(calls.ANALYTICS_UNANSWERED, calls.ListUnanswered(chatbot_id=bot))
    assert [g.question for g in groups.data] == ["Was ist die Hauptstadt von Peru?"]


async def test_a_follow_up_is_completed_and_another_question_is_not(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, "How much is delivery?", "Delivery costs 4.90 euros, abroad 9.50 euros.")
    first = await chat.ask(bot, "How much is delivery?")

    talk = {"conversation_id": first.asked.conversation_id}
    abroad = await chat.ask(bot, "And abroad?", **talk)
    sledges = await chat.ask(bot, "Do you repair bicycles?", **talk)

    assert (abroad.finish, abroad.text) == ("complete", first.text)
    assert sledges.finish == "no_answer"


async def test_a_message_sent_twice_is_asked_once(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)

    both = await asyncio.gather(
        *(chat.ask(bot, QUESTION, visitor_id="vis_twice", client_message_id="c1") for _ in range(2))
    )

    assert both[0].asked.message_id == both[1].asked.message_id
    assert both[0].text == both[1].text == ANSWER
    assert sorted(a.asked.repeated for a in both) == [False, True]
    assert len(await chat.messages(both[0].asked.conversation_id)) == 2


async def test_questions_of_one_conversation_are_answered_in_order(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    first = await talking.ask(bot, QUESTION)
    model.scripts.extend([Script("Slow one [1].", delay=0.2), Script("Quick one [1].")])

    slow = asyncio.create_task(
        talking.ask(bot, QUESTION, conversation_id=first.asked.conversation_id)
    )
    while len(model.requests) < 2:  # then it is being answered
        await asyncio.sleep(0.02)
    quick = await talking.ask(bot, QUESTION, conversation_id=first.asked.conversation_id)
    await slow

    assert (quick.text, slow.result().text) == ("Quick one.", "Slow one.")
    said = await talking.messages(first.asked.conversation_id)
    assert [m.text for m in said if m.sender == "bot"][1:] == ["Slow one.", "Quick one."]


async def test_questions_of_one_instant_are_stored_and_answered_each_by_itself(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    before = [await chat.ask(bot, QUESTION) for _ in range(3)]
    talks = [answer.asked.conversation_id for answer in before]
    await chat.call(calls.CONVERSATION_RESOLVE, calls.ById(id=talks[1]))
    request = calls.Ask(chatbot_id=bot, message=QUESTION, conversation_id="conv_nowhere")

    refused, *answers = await asyncio.gather(
        chat.refused(calls.MESSAGE_CREATE, request),
        *(chat.ask(bot, QUESTION, conversation_id=talk) for talk in (*talks, *talks)),
        *(chat.ask(bot, QUESTION, client_message_id=f"c{number % 5}") for number in range(10)),
        *(chat.ask(bot, "I want to talk to a human") for _ in range(3)),
        *(chat.ask(bot, QUESTION) for _ in range(5)),
    )

    assert refused == "not_found"
    again, repeated, escalated, new = answers[:6], answers[6:16], answers[16:19], answers[19:]
    assert {a.text for a in (*again, *repeated, *new)} == {ANSWER}
    assert {a.finish for a in escalated} == {"escalated"}
    assert len({a.asked.message_id for a in repeated}) == 5
    for talk in talks:
        said = await chat.messages(talk)
        assert sorted(m.sender for m in said) == ["bot"] * 3 + ["visitor"] * 3
        assert (await chat.conversation(talk)).message_count == len(said)
        assert (await chat.conversation(talk)).status == "open"
    for answer in (*repeated, *escalated, *new):
        told = await chat.events(answer.asked.conversation_id)
        names = [type(event).__name__ for event in told]
        last = "Escalation" if answer in escalated else "NewMessage"
        assert names == ["NewConversation", "NewMessage", last]
        assert answer in escalated or told[1].sender == "visitor"


async def test_one_that_cannot_be_stored_costs_the_others_nothing(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    request = calls.Ask(chatbot_id=bot, message="Not a text: \0")

    async with chat.bus.live(f"live.{chat.account}.*") as feed:
        refused, *answers = await asyncio.gather(
            chat.refused(calls.MESSAGE_CREATE, request),
            *(chat.ask(bot, QUESTION) for _ in range(5)),
        )
        told: list[int] = []
        while (message := await feed.next(5.0 if len(told) < 10 else 0.3)) is not None:
            told.append(msgspec.json.decode(message.data)["seq"])
    async with chat.db.transaction(chat.account) as tx:
        rows = await (await tx.execute("select seq from live_events")).fetchall()

    assert refused == "internal"
    assert {answer.text for answer in answers} == {ANSWER}
    assert sorted(told) == sorted(row["seq"] for row in rows)
    assert len(told) == 10


async def test_an_answer_that_is_ours_and_does_not_run_is_begun(chat: Chat) -> None:
    """Stored by a transaction whose commit was never confirmed."""
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    first = await chat.ask(bot, QUESTION)

    answer = new_id("ans")
    async with chat.db.system() as tx:
        await tx.execute(
            "update answers set id = %s, finished_at = null, frames = '{}', message_id = %s,"
            " created_at = now() - interval '1 minute', lease_until = %s,"
            " owner = (select owner from writers order by lease_until desc limit 1)",
            (answer, new_id("msg"), HELD),
        )

    again = await chat.answer(bot, msgspec.structs.replace(first.asked, answer_id=answer))
    said = await chat.messages(first.asked.conversation_id)
    assert (again.finish, again.text) == ("complete", ANSWER)
    assert [m.sender for m in said] == ["visitor", "bot", "bot"]


async def test_a_question_is_answered_though_its_asker_gave_up_while_it_was_stored(
    chat: Chat,
) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    request = calls.Ask(chatbot_id=bot, message=QUESTION, visitor_id="vis_hasty")

    async with chat.db.transaction(chat.account) as tx:
        await tx.execute("select 1 from chatbots where id = %s for update", (bot,))
        with pytest.raises(AppError):
            await chat.bus.request(calls.MESSAGE_CREATE, request, chat.context, timeout=2)
        await asyncio.sleep(0.5)  # chat itself has given up on it, too

    end = time.monotonic() + PATIENCE
    while True:
        listed = await chat.call(
            calls.CONVERSATIONS_LIST, calls.ListConversations(visitor_id="vis_hasty")
        )
        texts = [m.text for talk in listed.data for m in await chat.messages(talk.id)]
        if texts == [QUESTION, ANSWER]:
            break
        assert time.monotonic() < end, texts
        await asyncio.sleep(0.05)


async def test_a_question_names_the_answer_that_is_being_written(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    talk = (await talking.ask(bot, QUESTION)).asked.conversation_id
    model.scripts.append(Script("Slow one [1].", delay=0.5))

    slow = asyncio.create_task(talking.ask(bot, QUESTION, conversation_id=talk))
    while (last := (await talking.messages(talk))[-1]).status != "answering":
        assert not slow.done()
        await asyncio.sleep(0.02)
    answer = await slow

    assert last.answer_id == answer.asked.answer_id
    assert [m.status for m in await talking.messages(talk) if m.sender == "visitor"] == ["sent"] * 2


async def test_a_citation_the_model_invents_is_dropped(talking: Chat, model: Model) -> None:
    bot = await talking.bot()
    item = await talking.knows(bot, QUESTION, ANSWER)
    model.say("Click the link [1]. It is blue [7].")

    answer = await talking.ask(bot, QUESTION)

    assert answer.text == "Click the link. It is blue."
    assert [s["knowledgeId"] for s in answer.last["sources"]] == [item]


async def test_an_answer_without_any_citation_has_no_sources(talking: Chat, model: Model) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.say("I cannot find that in the knowledge.")

    answer = await talking.ask(bot, QUESTION)

    assert answer.finish == "no_answer"
    assert answer.last["sources"] == []


async def test_the_model_searches_again_and_cites_what_it_found(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    second = await talking.knows(bot, "Where is the office?", "It is at 12 Harbour Street.")
    model.scripts.extend(
        [
            Script("One moment. ", tool=("search_knowledge", {"query": "Where is the office?"})),
            Script("It is at 12 Harbour Street [2]."),
        ]
    )

    answer = await talking.ask(bot, QUESTION)

    cited = [s["knowledgeId"] for s in answer.last["sources"]]
    numbered = model.last["messages"][-1]["content"][0]["content"]
    assert cited == [second] or "Harbour" not in numbered
    assert answer.text.endswith("It is at 12 Harbour Street.")


async def test_the_model_calls_a_person_and_the_visitor_is_told(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(
        Script("I see.", tool=("escalate_to_human", {"reason": "angry", "summary": "Wants help"}))
    )

    answer = await talking.ask(bot, QUESTION)

    assert answer.finish == "escalated"
    assert "person" in answer.text
    conversation = await talking.conversation(answer.asked.conversation_id)
    assert conversation.status == "escalated"
    assert conversation.escalation is not None
    assert (conversation.escalation.by, conversation.escalation.reason) == ("bot", "angry")


async def test_the_fallback_answers_when_the_first_model_is_overloaded(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.extend([Script(status=529, retry_after="0")] * 3)

    answer = await talking.ask(bot, QUESTION)

    assert answer.finish == "complete"
    assert [r["model"] for r in model.requests[-4:]] == ["claude-sonnet-5-5"] * 3 + [
        "claude-haiku-5-5"
    ]


async def test_a_model_that_is_busy_is_asked_again_as_it_wishes(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    before = len(model.requests)
    model.scripts.extend([Script(status=429, retry_after="0"), Script(status=529)])
    model.say("Click the link [1].")

    answer = await talking.ask(bot, QUESTION)

    assert (answer.finish, answer.text) == ("complete", "Click the link.")
    assert len({request["model"] for request in model.requests[before:]}) == 1
    assert len(model.requests) - before == 3


async def test_a_model_that_breaks_off_ends_in_an_error_frame_and_frees_the_conversation(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(Script("This is the beginning of", error_after=3))

    broken = await talking.ask(bot, QUESTION)
    again = await talking.ask(bot, QUESTION, conversation_id=broken.asked.conversation_id)

    assert broken.finish == "error"
    assert broken.last["error"]["code"].startswith("model_")
    assert broken.text.startswith("This is the")
    assert again.finish == "complete"


async def test_a_connection_cut_before_the_first_word_is_tried_again(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(Script("Never seen [1].", break_after=0))

    answer = await talking.ask(bot, QUESTION)

    assert answer.finish == "complete"
    assert "Never seen" not in answer.text


async def test_an_answer_is_stopped_and_what_was_said_stands(talking: Chat, model: Model) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(Script("word " * 200 + "[1].", delay=0.05))
    answer_id = new_id("ans")
    async with talking.bus.live(f"answers.{answer_id}") as feed:
        asked = await talking.call(
            calls.MESSAGE_CREATE,
            calls.Ask(chatbot_id=bot, message=QUESTION, answer_id=answer_id),
        )
        assert await feed.next(PATIENCE) is not None, "nothing was said"

    await talking.call(calls.ANSWER_STOP, calls.StopAnswer(chatbot_id=bot, answer_id=answer_id))

    answer = await talking.answer(bot, asked)
    assert answer.finish == "stopped"
    assert 0 < len(answer.text.split()) < 200
    said = await talking.messages(asked.conversation_id)
    assert said[-1].text == answer.text
    assert said[-1].status == "stopped"


async def test_the_budget_of_the_day_spent_answers_are_extracted(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot(limits=calls.ChatbotLimits(daily_tokens=100))
    await talking.knows(bot, QUESTION, ANSWER)
    await talking.ask(bot, QUESTION)
    asked = len(model.requests)

    answer = await talking.ask(bot, QUESTION)

    assert len(model.requests) == asked
    assert answer.text == ANSWER


async def test_an_answer_of_a_dead_process_is_taken_over(chat: Chat) -> None:
    bot = await chat.bot()
    await chat.knows(bot, QUESTION, ANSWER)
    first = await chat.ask(bot, QUESTION)
    async with chat.db.system() as tx:  # as one that died right after it claimed
        await tx.execute(
            "insert into writers (owner, lease_until) values ('gone', now() + interval '1 second')"
        )
        await tx.execute(
            "insert into answers (id, account_id, chatbot_id, conversation_id, question_id,"
            " message_id, language, status, owner, lease_until, attempts) select 'ans_dead',"
            " account_id, chatbot_id, conversation_id, question_id, 'msg_ffff', 'en', 'running',"
            " 'of the release before', now() + interval '1 second', 1 from answers where id = %s",
            (first.asked.answer_id,),
        )
        await tx.execute(
            "insert into answers (id, account_id, chatbot_id, conversation_id, question_id,"
            " message_id, language, status, owner, lease_until, attempts, frames) select"
            " 'ans_shown', account_id, chatbot_id, conversation_id, question_id, 'msg_ffff0', 'en',"
            " 'running', 'gone', '9000-01-01Z', 1, %s from answers where id = %s",
            (['{"text": "Half a ", "conversationId": "x"}'], first.asked.answer_id),
        )

    for id in ("ans_dead", "ans_shown"):
        asked = calls.Asked(
            conversation_id=first.asked.conversation_id,
            visitor_id=first.asked.visitor_id,
            message_id=first.asked.message_id,
            answer_id=id,
        )
        answer = await chat.answer(bot, asked)
        if id == "ans_dead":
            assert (answer.finish, answer.text) == ("complete", ANSWER)
        else:
            assert (answer.finish, answer.text) == ("error", "Half a ")
            assert answer.last["error"]["code"] == "interrupted"


async def test_an_answer_whose_lease_is_renewed_late_is_not_taken_from_its_own_writer(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    model.scripts.append(Script("One two three four five six seven eight [1].", delay=0.2))
    asking = asyncio.create_task(talking.ask(bot, QUESTION))
    while not asking.done():
        async with talking.db.system() as tx:
            await tx.execute("update writers set lease_until = now() - interval '1 second'")
        await asyncio.sleep(0.05)

    answer = await asking

    assert answer.finish == "complete"
    async with talking.db.system() as tx:
        cursor = await tx.execute("select attempts from answers")
        assert [row["attempts"] for row in await cursor.fetchall()] == [1]


async def test_what_was_being_stored_when_the_process_was_told_to_end_is_answered(
    talking: Chat, model: Model
) -> None:
    bot = await talking.bot()
    await talking.knows(bot, QUESTION, ANSWER)
    first = await talking.ask(bot, QUESTION)
    conversation = first.asked.conversation_id
    early_words, late_words = "One two three [1].", "One two three four five six seven [1]."
    model.scripts += [Script(early_words, delay=0.3), Script(late_words, delay=0.3)]
    async with talking.db.system() as tx:
        await tx.execute("select 1 from conversations where id = %s for update", (conversation,))
        late = asyncio.create_task(talking.ask(bot, QUESTION, conversation_id=conversation))
        early = asyncio.create_task(talking.ask(bot, QUESTION))
        while len(model.requests) < 2:
            await asyncio.sleep(0.02)
        assert talking.service.drain is not None
        draining = asyncio.create_task(talking.service.drain(PATIENCE))
        await asyncio.sleep(0.1)

    assert [(await one).finish for one in (early, late)] == ["complete", "complete"]
    await draining

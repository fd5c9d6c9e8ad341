"""Knowledge in, a cited streamed answer out, a signed webhook on its way: through HTTP alone."""

import hashlib
import hmac
import json
import re

from standardwebhooks import Webhook

from tests.e2e.client import Answer, Api, Receiver

FRAME = re.compile(
    rb'id: ans_[0-9a-f]+:\d+\ndata: \{"text": ".*?", "conversationId": "conv_[^"]+"\}\n\n'
)


async def test_a_question_is_answered_from_a_page_with_its_source(api: Api, site: str) -> None:
    bot = await api.chatbot()
    made = await api.post(
        "/api/knowledge",
        {"chatbotId": bot, "type": "url", "source": f"{site}/faq", "content": None},
    )
    assert made.status == 202
    item = await api.settled(made.body["id"])
    assert item["status"] == "ready", item["error"]

    answer = await api.ask(
        bot, "How do I reset my password?", visitorId="vis_abc123", language="en"
    )

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert "Forgot Password" in answer.text
    assert answer.done
    last = answer.last
    assert last["text"] == ""
    assert last["finishReason"] == "complete"
    assert last["messageId"].startswith("msg_")
    assert [s["knowledgeId"] for s in last["sources"]] == [item["id"]]
    assert last["sources"][0]["url"] == f"{site}/faq"


async def test_frames_are_as_documented_to_the_byte(api: Api) -> None:
    bot = await api.chatbot()
    await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")

    answer = await api.ask(bot, "Where is the office?")

    frames = answer.raw.replace(b": ping\n\n", b"")
    assert FRAME.match(frames), frames[:300]
    assert frames.endswith(b"data: [DONE]\n\n")
    assert answer.ids == [
        f"{answer.headers['x-answer-id']}:{n + 1}" for n in range(len(answer.ids))
    ]
    assert answer.headers["x-conversation-id"] == answer.conversation


async def test_each_kind_of_upload_is_answered_from(api: Api, documents: dict[str, bytes]) -> None:
    bot = await api.chatbot()
    made = await api.upload(bot, *documents.items())
    assert made.status == 202, made.body
    items = [await api.settled(item["id"]) for item in made.body["data"]]
    assert {item["status"] for item in items} == {"ready"}, [i["error"] for i in items]

    for question, expected in (
        ("How long is the warranty of the Falcon tent?", "seven years"),
        ("What does the Heron kayak weigh?", "19.5"),
        ("On which day is the workshop closed?", "Wednesday"),
        ("What is the deposit for a rental bike?", "80"),
    ):
        found = await api.post("/api/knowledge/search", {"chatbotId": bot, "query": question})
        assert expected in found.body["data"][0]["text"], (question, found.body)
        answer = await api.ask(bot, question)
        assert expected in answer.text, (question, answer.text)
        assert answer.last["sources"], question


async def test_what_is_not_known_is_not_answered(api: Api) -> None:
    bot = await api.chatbot()
    await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")

    answer = await api.ask(bot, "Which football team won the world cup in 1974?")

    assert answer.last["finishReason"] == "no_answer"
    assert answer.last["sources"] == []
    assert answer.text


async def test_an_endpoint_gets_signed_events(api: Api, receiver: Receiver) -> None:
    bot = await api.chatbot()
    await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    hook = (await api.post("/api/webhooks", {"url": receiver.url, "chatbotId": bot})).body

    answer = await api.ask(bot, "Where is the office?", visitorId="vis_def456")

    talk = answer.conversation
    started = (await receiver.wait(1, "new_conversation", talk))[0]
    messages = await receiver.wait(2, "new_message", talk)
    assert [m.payload["data"]["sender"] for m in messages] == ["visitor", "bot"]
    assert messages[0].payload["data"]["message"] == "Where is the office?"
    assert messages[0].payload["data"]["visitorId"] == "vis_def456"
    for request in (started, *messages):
        assert list(request.payload) == ["event", "timestamp", "data"]
        expected = hmac.new(hook["secret"].encode(), request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Chattery-Signature"] == expected
        Webhook(hook["secret"]).verify(request.body, dict(request.headers))


async def test_an_answer_can_be_read_again_from_any_frame(api: Api) -> None:
    bot = await api.chatbot()
    await api.knows(
        bot, "Where is the office?", "The office is at 12 Harbour Street, on floor two."
    )
    first = await api.ask(bot, "Where is the office?")
    answer_id = first.headers["x-answer-id"]

    whole = await api.resume(bot, answer_id)
    tail = await api.resume(bot, answer_id, after=1)

    assert whole.frames == first.frames
    assert tail.frames == first.frames[1:]
    assert tail.done


async def test_one_json_document_for_callers_who_do_not_stream(api: Api) -> None:
    bot = await api.chatbot()
    await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")

    reply = await api.post(
        f"/api/chat/{bot}",
        {"message": "Where is the office?"},
        headers={"Accept": "application/json"},
    )

    assert reply.status == 200
    assert "12 Harbour Street" in reply.body["text"]
    assert reply.body["finishReason"] == "complete"
    assert reply.body["sources"]


async def test_the_eleventh_question_within_a_minute_is_refused(api: Api) -> None:
    bot = await api.chatbot()
    answers: list[Answer] = [await api.ask(bot, f"Question {n}?") for n in range(10)]
    assert {a.status for a in answers} == {200}

    refused = await api.post(f"/api/chat/{bot}", {"message": "One more?"})

    assert refused.status == 429
    assert refused.code == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


async def test_deleted_knowledge_is_not_answered_from(api: Api) -> None:
    bot = await api.chatbot()
    item = await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    assert "Harbour" in (await api.ask(bot, "Where is the office?")).text

    assert (await api.call("DELETE", f"/api/knowledge/{item}")).status == 204

    answer = await api.ask(bot, "Where is the office?")
    assert "Harbour" not in answer.text
    assert json.dumps(answer.last).count("Harbour") == 0

"""Every refusal has one shape, a code that fits and a sentence that says what to do."""

import io
import zipfile

import pytest

from tests.e2e.client import Api, Reply


def check(reply: Reply, status: int, code: str | None = None) -> None:
    assert reply.status == status, reply.body
    error = reply.body["error"]
    assert error["code"]
    assert error["message"]
    assert reply.headers["x-request-id"]
    if code is not None:
        assert error["code"] == code


async def test_malformed_json(api: Api) -> None:
    reply = await api.post(
        "/api/chatbots", data=b'{"name": ', headers={"Content-Type": "application/json"}
    )
    check(reply, 400, "malformed_json")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "Bot", "colour": "red"}, 400, "unknown_field"),
        ({"name": 7}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"name": ""}, 400, "invalid_request"),
        ([1, 2], 400, "invalid_request"),
    ],
)
async def test_a_chatbot_of_bad_input(api: Api, body: object, status: int, code: str) -> None:
    check(await api.post("/api/chatbots", body), status, code)


async def test_another_content_type(api: Api) -> None:
    reply = await api.post("/api/chatbots", data=b"name=x", headers={"Content-Type": "text/plain"})
    check(reply, 415)


async def test_a_body_over_the_limit(api: Api) -> None:
    check(await api.post("/api/chatbots", {"name": "x" * (3 << 20)}), 413)


async def test_an_unknown_chatbot(api: Api) -> None:
    check(await api.post("/api/chat/bot_nobody", {"message": "Hello"}), 404, "not_found")
    check(await api.get("/api/chatbots/bot_nobody"), 404, "not_found")


@pytest.mark.parametrize("message", ["", "x" * 100_000, 42, None])
async def test_a_message_that_is_none(api: Api, message: object) -> None:
    bot = await api.chatbot()
    check(await api.post(f"/api/chat/{bot}", {"message": message}), 400, "invalid_request")


async def test_no_key_and_a_wrong_key(api: Api) -> None:
    check(await api.get("/api/chatbots", headers={"Authorization": ""}), 401)
    check(await api.get("/api/chatbots", headers={"Authorization": "Bearer ck_live_x"}), 401)


async def test_a_path_and_a_method_that_are_not_there(api: Api) -> None:
    check(await api.get("/api/nothing"), 404, "no_such_route")
    check(await api.call("PUT", "/api/chatbots"), 405, "method_not_allowed")


async def test_a_conversation_of_another_visitor(api: Api) -> None:
    bot = await api.chatbot()
    theirs = await api.ask(bot, "Hello?", visitorId="vis_one")
    reply = await api.post(
        f"/api/chat/{bot}",
        {"message": "Hello", "visitorId": "vis_two", "conversationId": theirs.conversation},
    )
    check(reply, 404, "not_found")


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://2130706434/",
        "ftp://example.com/",
        "http://user:pw@example.com/",
        "not a url",
    ],
)
async def test_a_page_that_may_not_be_fetched(api: Api, url: str) -> None:
    bot = await api.chatbot()
    reply = await api.post("/api/knowledge", {"chatbotId": bot, "type": "url", "source": url})
    check(reply, 400)


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"\0" * (100 << 20))
    return out.getvalue()


async def test_documents_that_cannot_be_read_say_why(api: Api, encrypted_pdf: bytes) -> None:
    bot = await api.chatbot()
    files = {
        "locked.pdf": encrypted_pdf,
        "broken.pdf": b"%PDF-1.7\n1 0 obj <<",
        "bomb.docx": zip_bomb(),
        "noise.txt": bytes(range(128, 256)) * 40 + b"\0\1\2",
    }
    made = await api.upload(bot, *files.items(), ("good.txt", b"We are open from nine to five."))
    assert made.status == 202, made.body

    *bad, good = [await api.settled(item["id"]) for item in made.body["data"]]
    assert good["status"] == "ready", good
    for settled in bad:
        assert settled["status"] == "failed", settled
        assert settled["error"]["code"] != "internal", settled
        assert len(settled["error"]["message"]) > 10

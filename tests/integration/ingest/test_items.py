"""One item at a time: every kind of source, to ready and found, or to failed with a reason."""

from typing import Any

import msgspec
import pytest

from libs.common import calls
from libs.common.errors import RemoteError
from tests.integration.ingest.samples import docx, pdf

PAGE = """<html><head><title>Refunds - Acme</title></head><body><nav><a href="/">Home</a></nav>
<main><h1>Refunds</h1><p>You can get a refund within 30 days of your purchase.</p>
<h2>How to ask for one</h2><ul><li>Open the menu</li><li>Choose Orders and press Refund</li></ul>
<table><tr><th>Plan</th><th>Price</th></tr><tr><td>Pro</td><td>19 EUR</td></tr></table></main>
</body></html>"""


async def test_a_page_is_ready_and_found_with_its_title_and_address(ingest: Any, site: Any) -> None:
    site.pages["/refunds"] = PAGE
    item = await ingest.add(type="url", source=f"{site.url}/refunds")
    assert item.status == "pending"
    done = await ingest.done(item.id)
    assert (done.status, done.title, done.error) == ("ready", "Refunds", None)
    found = await ingest.search("How many days do I have to get a refund?")
    assert found.answerable
    assert "30 days" in found.data[0].text
    assert found.data[0].url == f"{site.url}/refunds"
    steps = await ingest.search("what does the Pro plan cost?")
    assert "19 EUR" in " ".join(p.text for p in steps.data)
    assert (await ingest.embedded(item.id)).semantic == "done"


async def test_a_question_with_its_answer_is_found_whole(ingest: Any) -> None:
    item = await ingest.add(
        type="qa",
        content=calls.QuestionAnswer(
            question="Where do you ship?", answer="We ship to all of Europe and to Canada."
        ),
    )
    assert (await ingest.done(item.id)).status == "ready"
    found = await ingest.search("Where do you ship to?")
    assert found.answerable
    assert found.data[0].text == "We ship to all of Europe and to Canada."


@pytest.mark.parametrize("kind", ["pdf", "docx", "txt", "md"])
async def test_an_upload_is_ready_and_found(ingest: Any, kind: str) -> None:
    text = "The warranty of the Falcon drill covers 36 months from the day of purchase."
    data = {
        "pdf": lambda: pdf([("Warranty", text), ("Returns", "Send it back within 14 days.")]),
        "docx": lambda: docx([("Warranty", text), ("Returns", "Send it back within 14 days.")]),
        "txt": text.encode,
        "md": f"# Warranty\n\n{text}\n\n## Returns\n\nWithin 14 days.\n".encode,
    }[kind]()
    item = await ingest.upload(f"manual.{kind}", data)
    done = await ingest.done(item.id)
    assert (done.status, done.error) == ("ready", None)
    found = await ingest.search("How long is the warranty of the Falcon drill?")
    assert found.answerable
    assert "36 months" in found.data[0].text
    if kind == "pdf":
        assert found.data[0].page == 1
    if kind in ("pdf", "docx"):
        assert (await ingest.search("returns days send back")).data[0].headings == ["Returns"]


async def test_an_upload_is_named_by_two_items_and_goes_with_the_last(ingest: Any) -> None:
    first = await ingest.upload("hours.txt", b"The shop opens at nine.")
    await ingest.done(first.id)
    second = await ingest.add(type="document", source=first.source, title="Opening hours")
    assert (await ingest.done(second.id)).status == "ready"
    await ingest.call(calls.KNOWLEDGE_DELETE, calls.ById(id=first.id))
    await ingest.call(calls.KNOWLEDGE_RESYNC, calls.ById(id=second.id))
    again = await ingest.done(second.id)
    assert (again.status, again.title) == ("ready", "Opening hours")
    assert await ingest.blobs.list("uploads")
    await ingest.call(calls.KNOWLEDGE_DELETE, calls.ById(id=second.id))
    assert not await ingest.blobs.list("uploads")


async def test_items_are_listed_by_what_they_are(ingest: Any) -> None:
    text = await ingest.done((await ingest.add(type="text", content="Open at nine.")).id)
    pair = calls.QuestionAnswer(question="When?", answer="At nine.")
    asked = await ingest.done((await ingest.add(type="qa", content=pair)).id)
    failed = await ingest.done((await ingest.upload("empty.txt", b" ")).id)

    async def listed(**wanted: Any) -> list[str]:
        page = await ingest.call(calls.KNOWLEDGE_LIST, calls.ListItems(**wanted))
        return [item.id for item in page.data]

    assert await listed() == [failed.id, asked.id, text.id]
    assert await listed(type="qa") == [asked.id]
    assert await listed(status="failed") == [failed.id]
    assert await listed(chatbot_id="bot_other") == []
    assert await listed(parent_id=text.id) == []


async def test_an_address_that_is_private_is_refused_at_once(ingest: Any) -> None:
    for url in ("http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "ftp://x.y"):
        with pytest.raises(RemoteError) as refused:
            await ingest.add(type="url", source=url)
        assert refused.value.wire_status == 400


async def test_an_unknown_chatbot_is_not_found(ingest: Any) -> None:
    with pytest.raises(RemoteError) as refused:
        await ingest.add(type="text", content="x", chatbot_id="bot_other")
    assert refused.value.wire_status == 404


async def test_a_request_that_is_sent_again_makes_no_second_item(ingest: Any) -> None:
    again = msgspec.structs.replace(ingest.context, once="its-key")
    request = calls.CreateItem(chatbot_id=ingest.chatbot, type="text", content="Open at nine.")
    first = await ingest.call(calls.KNOWLEDGE_CREATE, request, again)
    second = await ingest.call(calls.KNOWLEDGE_CREATE, request, again)
    other = msgspec.structs.replace(request, content="Closed at five.")
    third = await ingest.call(calls.KNOWLEDGE_CREATE, other, again)
    assert first.id == second.id != third.id

    ingest.context, files = again, [("note.txt", b"The lift is broken.")] * 2
    uploads = [await ingest.upload(*file) for file in files]
    assert uploads[0].id == uploads[1].id
    assert (await ingest.done(uploads[0].id)).status == "ready"
    assert uploads[0].id in {point.item for point in await ingest.points()}


async def test_chunks_are_listed_a_page_at_a_time(ingest: Any) -> None:
    text = "\n\n".join(f"# Part {n}\n\nHall {n} is open." for n in range(5))
    item = await ingest.done((await ingest.add(type="text", content=text)).id)
    found, cursor = [], None
    while True:
        request = calls.ListChunks(id=item.id, limit=2, cursor=cursor)
        page = await ingest.call(calls.KNOWLEDGE_CHUNKS, request)
        found += [chunk.ordinal for chunk in page.data]
        if (cursor := page.pagination.cursor) is None:
            break
    assert found == list(range(5))
    with pytest.raises(RemoteError):
        await ingest.call(calls.KNOWLEDGE_CHUNKS, calls.ListChunks(id=item.id, cursor="no"))

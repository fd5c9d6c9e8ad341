"""One item at a time: every kind of source, to ready and found, or to failed with a reason."""

from typing import Any

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


async def test_an_address_that_is_private_is_refused_at_once(ingest: Any) -> None:
    for url in ("http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "ftp://x.y"):
        with pytest.raises(RemoteError) as refused:
            await ingest.add(type="url", source=url)
        assert refused.value.wire_status == 400


async def test_an_unknown_chatbot_is_not_found(ingest: Any) -> None:
    with pytest.raises(RemoteError) as refused:
        await ingest.add(type="text", content="x", chatbot_id="bot_other")
    assert refused.value.wire_status == 404

"""Web pages: what is kept of them, whichever way they are read."""

import pytest

from libs.retrieval.passages import plain
from services.ingest.extract import html
from services.ingest.extract.html import extract_html

URL = "https://shop.example/help/refunds"
PAGE = """<html><head><title>Refunds - Acme</title></head><body>
<nav><a href="/">Home</a></nav>
<main><h1>Refunds <a href="#refunds">#</a></h1>
<p>Fill in <a href="../forms/refund?id=7">the <b>refund</b> form</a> within 30 days of the day on
which you received your order; <a href="#later">later</a> requests are declined as a rule.</p>
<h2>How to <a href="/ask">ask</a></h2>
<ol><li>Open <a href="https://my.shop.example/orders">your orders</a>.</li><li>Press Refund.</li></ol>
<table><tr><th>Plan</th><th>Terms</th></tr>
<tr><td>Pro</td><td><a href="mailto:pro@shop.example">Write to us</a></td></tr></table>
<p>See <a href="javascript:open()">this box</a> too, which tells more about what is not refunded.</p>
</main></body></html>"""
ASKED = (
    "Fill in [the refund form](https://shop.example/forms/refund?id=7) within 30 days of the day on"
    " which you received your order; later requests are declined as a rule."
)
BLOCKS = [
    ("heading", "Refunds #"),
    ("text", ASKED),
    ("heading", "How to ask"),
    ("list", "1. Open [your orders](https://my.shop.example/orders)."),
    ("list", "2. Press Refund."),
    ("table", "Plan | Terms\nPro | [Write to us](mailto:pro@shop.example)"),
    ("text", "See this box too, which tells more about what is not refunded."),
]


@pytest.mark.parametrize("by_trafilatura", [True, False])
def test_title_headings_tables_lists_and_links_are_kept(
    monkeypatch: pytest.MonkeyPatch, by_trafilatura: bool
) -> None:
    if not by_trafilatura:
        monkeypatch.setattr(html, "_by_trafilatura", lambda *_: [])
    found = extract_html(PAGE.encode(), URL, "refunds")
    assert [(block.kind, block.text) for block in found.blocks] == BLOCKS
    assert plain(found.blocks[1].text).startswith("Fill in the refund form within 30 days")


def test_a_page_is_read_in_its_own_charset_whatever_is_declared() -> None:
    page = "<html><head>{}</head><body><main><h1>Größe</h1><p>{}</p></main></body></html>"
    text = "Für die Maße gilt, was auf dem Schild steht. " * 3
    for declared, header, encoding in (
        ('<meta charset="iso-8859-1">', "latin-1", "utf-8"),
        ('<meta charset="windows-1252">', None, "cp1252"),
        ("", None, "cp1252"),
    ):
        found = extract_html(page.format(declared, text).encode(encoding), URL, "x", header)
        assert found.title == "Größe", (declared, encoding)
        assert "Maße" in found.blocks[1].text


def test_a_shell_without_its_script_is_no_page() -> None:
    shell = b"<html><body><div id=app></div><noscript>Please enable JavaScript.</noscript></body>"
    with pytest.raises(html.ExtractionFailed) as refused:
        extract_html(shell, URL, "app")
    assert refused.value.code == "javascript_required"

"""Documents of every kind in the real child processes: text, or a reason, within limits."""

import io
import os
import random
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.ingest.extract.blocks import Extracted, ExtractionFailed, Job, Limits
from services.ingest.extract.pool import Extractor
from tests.integration.ingest import samples

MOST = 600 << 20  # bytes of memory that a worker may take

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def extractor() -> AsyncIterator[Extractor]:
    async with Extractor.open(1) as opened:
        yield opened


async def refusal(extractor: Extractor, name: str, data: bytes, **fields: Any) -> tuple[str, str]:
    try:
        found = await extractor.extract(Job(name=name, data=data, **fields))
    except ExtractionFailed as exc:
        return exc.code, exc.message
    return "", f"it was read: {found.blocks[:2]}"


def text_of(found: Extracted) -> str:
    return "\n".join(block.text for block in found.blocks)


def peak_memory() -> int:
    """Bytes that the extracting children of this process had at most."""
    found = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields["PPid"]) == os.getpid() and b"extract.worker" in command:
            found.append(int(fields["VmHWM"].split()[0]) << 10)
    return max(found)


async def test_what_can_not_be_read_says_why_and_the_next_one_is_read(
    extractor: Extractor,
) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    whole = samples.pdf([("A", "B")])
    spreadsheet = samples.archive(xl__workbook=b"<workbook/>")
    for name, data, code, word in (
        ("locked.pdf", samples.encrypted_pdf(), "encrypted", "password"),
        ("broken.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 20, "broken_file", "damaged"),
        ("cut.pdf", whole[: len(whole) // 3], "broken_file", "damaged"),
        ("scan.pdf", samples.scanned_pdf(), "no_text_layer", "OCR"),
        ("bomb.docx", samples.zip_bomb(), "archive_bomb", "unpacks"),
        ("laughs.docx", samples.billion_laughs(), "unsafe_document", "entities"),
        ("cut.docx", samples.docx([("A", "B")])[:900], "broken_file", "damaged"),
        ("empty.docx", samples.archive(word__document=b"<w/>"), "broken_file", "damaged"),
        ("sheet.docx", spreadsheet, "unsupported_type", "PDF, DOCX"),
        ("old.doc", b"\xd0\xcf\x11\xe0" + bytes(600), "unsupported_type", "old Office"),
        ("photo.pdf", png, "unsupported_type", "image"),
        ("nothing.txt", b"", "no_text", "empty"),
        ("blank.txt", b" \n\t\n ", "no_text", "empty"),
        ("program.txt", bytes(range(256)) * 40, "unsupported_type", "not supported"),
    ):
        found, message = await refusal(extractor, name, data)
        assert (name, found) == (name, code), message
        assert word in message, name
    good = await extractor.extract(Job(name="good.pdf", data=whole))
    assert "B" in text_of(good)


async def test_content_decides_and_not_the_name(extractor: Extractor) -> None:
    document = samples.docx([("Warranty", "It lasts seven years.")])
    assert "seven years" in text_of(await extractor.extract(Job(name="a.pdf", data=document)))
    markdown = b"# Prices\n\n| Plan | Price |\n|---|---|\n| Pro | 19 |\n"
    found = await extractor.extract(Job(name="prices.md", data=markdown))
    assert [(block.kind, block.text) for block in found.blocks] == [
        ("heading", "Prices"),
        ("table", "Plan | Price\nPro | 19"),
    ]
    page = b"<!doctype html><title>T</title><main><h1>Hours</h1><p>Open from nine.</p></main>"
    assert "Open from nine" in text_of(await extractor.extract(Job(name="b.txt", data=page)))


async def test_a_text_in_any_usual_encoding_is_read(extractor: Extractor) -> None:
    for encoding, text in (
        ("utf-8-sig", "Größe und Gewicht: 12 kg, Höhe 90 cm. Für draußen geeignet."),
        ("utf-16", "Der Schlüssel liegt unter der Fußmatte vor der Tür."),
        ("utf-16-le", "The key is under the mat in front of the door, as always."),
        ("cp1252", "Für die Maße gilt, was auf dem Schild steht, auch für Größe und Höhe."),
        ("cp1252", "Les délais de livraison sont précisés à la commande, même à l'étranger."),
        ("cp1250", "Zwrot jest możliwy w ciągu trzydziestu dni, a przesyłka jest darmowa."),
        ("cp1254", "Siparişler ödemeden sonra iki iş günü içinde gönderilir, iade ücretsizdir."),
        ("cp1251", "Заказы отправляются в течение двух рабочих дней после оплаты на сайте."),
        ("shift_jis", "ご注文は通常2営業日以内に発送されます。メールでお知らせします。"),
        ("gb18030", "订单通常在两个工作日内发货,您会收到电子邮件通知,请注意查收。"),
    ):
        found = await extractor.extract(Job(name="notes.txt", data=(text * 5).encode(encoding)))
        assert text in text_of(found), encoding


async def test_sixteen_hundred_pages_and_fifty_megabytes_fit_into_memory(
    extractor: Extractor, tmp_path: Path
) -> None:
    told: list[int] = []
    (tmp_path / "long.pdf").write_bytes(samples.long_pdf(1600, lines=12))
    job = Job(name="long.pdf", path=str(tmp_path / "long.pdf"))
    found = await extractor.extract(job, told.append)
    assert found.pages == 1600
    assert told[-1] == 1600
    assert found.blocks[-1].page == 1600
    assert "Clause 1600.11" in found.blocks[-1].text
    (tmp_path / "heavy.pdf").write_bytes(samples.long_pdf(50, lines=12, ballast=1 << 20))
    assert (tmp_path / "heavy.pdf").stat().st_size > 50 << 20
    heavy = await extractor.extract(Job(name="heavy.pdf", path=str(tmp_path / "heavy.pdf")))
    assert heavy.pages == 50
    assert 50 << 20 < peak_memory() < MOST


async def test_limits_end_what_takes_too_much_and_the_pool_goes_on(extractor: Extractor) -> None:
    long = samples.long_pdf(40)
    code, _ = await refusal(extractor, "a.pdf", long, limits=Limits(pages=20))
    assert code == "too_many_pages"
    code, _ = await refusal(extractor, "a.pdf", long, limits=Limits(characters=5_000))
    assert code == "too_large"
    started = time.monotonic()
    code, _ = await refusal(extractor, "a.pdf", samples.long_pdf(1500), limits=Limits(seconds=0.2))
    assert code == "extraction_timeout"
    assert time.monotonic() - started < 30
    chosen = random.Random(1)
    paragraphs = b"".join(
        b"<w:p><w:r><w:t>%s</w:t></w:r></w:p>" % chosen.randbytes(60).hex().encode()
        for _ in range(100_000)
    )
    code, message = await refusal(
        extractor, "huge.docx", with_body(paragraphs), limits=Limits(memory=60 << 20)
    )
    assert code == "out_of_memory", message
    assert "Clause 1.0" in text_of(await extractor.extract(Job(name="a.pdf", data=long)))


def with_body(paragraphs: bytes) -> bytes:
    """A real DOCX whose body is replaced."""
    source = io.BytesIO(samples.docx([("A", "B")]))
    out = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename == "word/document.xml":
                start, end = data.index(b"<w:body>") + 8, data.index(b"</w:body>")
                data = data[:start] + paragraphs + data[end:]
            new.writestr(info, data)
    return out.getvalue()

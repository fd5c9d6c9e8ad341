"""PDF, page by page: text by pdfium, headings by type size or the outline.

Pages without any text are scans; a document of them alone is refused, since there is nothing
to find in it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pypdfium2 as pdfium
from pypdfium2 import raw

from services.ingest.extract.blocks import Block, Extracted, ExtractionFailed, Limits

HEADING_RATIO = 1.15  # times the size of the body text
LONGEST_HEADING = 120  # characters
REPEATED = 0.4  # part of the pages on which a line is a running header or footer
MOST_PAGE_WORDS = 10  # letters beside a page number
EDGE = 2  # lines at the top and the bottom of a page that may be running
_BULLET = re.compile(r"^(?:[•‣▪●○\uf0b7*–-]|\d{1,3}[.)]|[a-z]\))\s+")
_DIGITS = re.compile(r"\d+")
_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad\ufffe\x02]$")
_ENDS = re.compile(r"[.!?:;。!?:;…\"”’)\]]$")

_ENCRYPTED = "The PDF is protected by a password; remove it and send the file again."
_BROKEN = "The PDF is damaged and can't be opened; save it again and send that."
_SCANNED = "The PDF has no text, only images; send one with a text layer (run OCR on it first)."


class Line(msgspec.Struct, frozen=True, array_like=True):
    text: str
    size: float  # of the type, in points


def extract_pdf(
    path: Path | bytes, name: str, limits: Limits, alive: Callable[[int], None]
) -> Extracted:
    document = _open(path)
    try:
        count = len(document)
        if count > limits.pages:
            message = f"The PDF has {count} pages; up to {limits.pages} are taken."
            raise ExtractionFailed("too_many_pages", message)
        pages = _read(document, limits, alive)
        if not any(pages):
            raise ExtractionFailed("no_text_layer" if count else "no_text", _SCANNED)
        title = _title(document, name)
        return Extracted(title=title, blocks=list(_blocks(pages)), pages=count)
    finally:
        document.close()


def _open(path: Path | bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as exc:
        if (
            getattr(exc, "err_code", None) == raw.FPDF_ERR_PASSWORD
            or "password" in str(exc).lower()
        ):
            raise ExtractionFailed("encrypted", _ENCRYPTED) from exc
        raise ExtractionFailed("broken_file", _BROKEN) from exc


def _read(
    document: pdfium.PdfDocument, limits: Limits, alive: Callable[[int], None]
) -> list[list[Line]]:
    pages: list[list[Line]] = []
    total = broken = 0
    for number in range(len(document)):
        try:
            lines = _lines(document, number)
        except pdfium.PdfiumError:
            lines, broken = [], broken + 1
        total += sum(len(line.text) for line in lines)
        if total > limits.characters:
            raise ExtractionFailed("too_large", "The PDF has more text than is taken.")
        pages.append(lines)
        alive(number + 1)
    if broken and broken == len(pages):
        raise ExtractionFailed("broken_file", _BROKEN)
    return pages


def _lines(document: pdfium.PdfDocument, number: int) -> list[Line]:
    page = document[number]
    try:
        textpage = page.get_textpage()
        try:
            text = textpage.get_text_range()
            return list(_sized(textpage, text))
        finally:
            textpage.close()
    finally:
        page.close()


def _sized(textpage: Any, text: str) -> Iterator[Line]:
    start = 0
    for part in text.split("\n"):
        line = part.replace("\x00", "").strip()
        if line:
            middle = start + len(part) // 2
            size = float(raw.FPDFText_GetFontSize(textpage, middle))
            yield Line(line, round(size, 1))
        start += len(part) + 1


def _title(document: pdfium.PdfDocument, name: str) -> str:
    found = (document.get_metadata_value("Title") or "").replace("\x00", "").strip()
    if (
        len(found) < 3
        or found.lower() in ("untitled", "(anonymous)")
        or found.lower().endswith((".doc", ".docx", ".tex", ".indd", ".pptx"))
    ):
        return name
    return found[:300]


def _blocks(pages: list[list[Line]]) -> Iterator[Block]:
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted((s for s in sizes if body and s >= body * HEADING_RATIO), reverse=True)
    levels = {size: min(level, 4) for level, size in enumerate(larger, 1)}
    running = _running(pages, levels)
    for number, page in enumerate(pages, 1):
        kept = [
            line
            for index, line in enumerate(page)
            if not (_at_edge(index, len(page)) and _form(line.text) in running)
        ]
        yield from _page(kept, number, levels)


def _running(pages: list[list[Line]], levels: dict[float, int]) -> set[str]:
    """Lines that many pages have at an edge: running headers, footers, page numbers."""
    if len(pages) < 4:
        return set()
    seen: Counter[str] = Counter()
    for page in pages:
        lines = [p for i, p in enumerate(page) if _at_edge(i, len(page)) and p.size not in levels]
        seen.update({_form(line.text) for line in lines})
    return {text for text, count in seen.items() if count > REPEATED * len(pages)}


def _form(text: str) -> str:
    """A line without its numbers where it is little else ("Page 3 of 9")."""
    words = sum(c.isalpha() for c in text)
    return _DIGITS.sub("#", text) if words <= MOST_PAGE_WORDS else text


def _at_edge(index: int, count: int) -> bool:
    return index < EDGE or index >= count - EDGE


def _page(lines: list[Line], number: int, levels: dict[float, int]) -> Iterator[Block]:
    paragraph: list[str] = []
    width = max((len(line.text) for line in lines), default=0)

    def flush() -> Iterator[Block]:
        if paragraph:
            text = _join(paragraph)
            kind = "list" if _BULLET.match(text) else "text"
            yield Block(kind, text, page=number)
            paragraph.clear()

    for line in lines:
        level = levels.get(line.size)
        if level and len(line.text) <= LONGEST_HEADING and any(c.isalpha() for c in line.text):
            yield from flush()
            yield Block("heading", line.text, level, number)
            continue
        if _BULLET.match(line.text):
            yield from flush()
        paragraph.append(line.text)
        if len(line.text) < 0.7 * width and _ENDS.search(line.text):
            yield from flush()
    yield from flush()


def _join(lines: list[str]) -> str:
    """Lines of a paragraph as one; words divided at the end of a line whole again."""
    text = lines[0]
    for line in lines[1:]:
        if _HYPHENATED.search(text) and line[:1].islower():
            text = text[:-1] + line
        else:
            text += " " + line
    return re.sub(r"[\ufffe\x02\u00ad]", "", text)

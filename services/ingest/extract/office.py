"""DOCX and Markdown through unstructured's elements.

The library phones home on import and loads a language model on first use, downloading it when
it is absent: both are turned off before it is imported. Its sentence model only decides
between kinds of paragraphs, so a rule-based one does.
"""

import os
import re
import zipfile
from typing import Any, BinaryIO

from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]

from services.ingest.extract.blocks import (
    Block,
    Extracted,
    ExtractionFailed,
    Limits,
    table_row,
)

CHUNK = 1 << 20  # bytes read at once while an archive is checked
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_BROKEN = "The file is damaged and can't be opened; save it again and send that."
_BOMB = "The file unpacks to far more than a document holds; it was not opened."
_UNSAFE = "The file declares XML entities, which documents do not; it was not opened."
_SKIPPED = {"Header", "Footer", "PageBreak", "Image", "PageNumber"}
_ENTITY = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def extract_docx(file: BinaryIO, name: str, limits: Limits) -> Extracted:
    check_archive(file, limits)
    _quiet()
    from unstructured.partition.docx import partition_docx

    try:
        elements = partition_docx(file=file, languages=[""])
    except etree.XMLSyntaxError as exc:
        if exc.code == etree.ErrorTypes.ERR_NO_MEMORY:  # the parser's way to say MemoryError
            raise MemoryError from exc
        raise ExtractionFailed("broken_file", _BROKEN) from exc
    except (KeyError, ValueError, zipfile.BadZipFile, OSError) as exc:
        raise ExtractionFailed("broken_file", _BROKEN) from exc
    return _document(elements, name)


def extract_markdown(text: str, name: str) -> Extracted:
    _quiet()
    from unstructured.partition.md import partition_md

    text = _FRONT_MATTER.sub("", text.replace("\r\n", "\n"))
    if not text.strip():
        return Extracted(title=name, blocks=[])
    return _document(partition_md(text=text, languages=[""]), name)


def warm() -> None:
    """Import the library, once: seconds, and 150 MB."""
    _quiet()
    from unstructured.partition.docx import partition_docx  # noqa: F401
    from unstructured.partition.md import partition_md  # noqa: F401


def check_archive(file: BinaryIO, limits: Limits) -> None:
    """Refuse an archive that would unpack to too much, or whose XML declares entities.

    The sizes an archive states may lie, so every part is unpacked once and thrown away.
    """
    file.seek(0, os.SEEK_END)
    packed = file.tell()
    allowed = min(limits.unpacked, max(packed * limits.ratio, 8 << 20))
    total = 0
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if len(infos) > 20_000 or sum(info.file_size for info in infos) > allowed:
                raise ExtractionFailed("archive_bomb", _BOMB)
            for info in infos:
                if info.flag_bits & 1:
                    message = "The file is protected; remove its password and send it again."
                    raise ExtractionFailed("encrypted", message)
                with archive.open(info) as part:
                    head = True
                    while data := part.read(CHUNK):
                        total += len(data)
                        if total > allowed:
                            raise ExtractionFailed("archive_bomb", _BOMB)
                        if head and _declares_entities(info.filename, data):
                            raise ExtractionFailed("unsafe_document", _UNSAFE)
                        head = False
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        NotImplementedError,
        ValueError,
    ) as exc:
        raise ExtractionFailed("broken_file", _BROKEN) from exc
    except Exception as exc:
        if isinstance(exc, ExtractionFailed):
            raise
        raise ExtractionFailed("broken_file", _BROKEN) from exc
    finally:
        file.seek(0)


def _declares_entities(name: str, data: bytes) -> bool:
    if not name.lower().endswith((".xml", ".rels")):
        return False
    return bool(_ENTITY.search(data.replace(b"\x00", b"")))


def _document(elements: list[Any], name: str) -> Extracted:
    blocks = [block for element in elements if (block := _block(element))]
    first = blocks[0] if blocks else None
    title = first.text if first and first.kind == "heading" and first.level == 1 else name
    return Extracted(title=title[:300], blocks=blocks)


def _block(element: Any) -> Block | None:
    kind, text = type(element).__name__, str(element.text or "").strip()
    page = element.metadata.page_number
    if not text or kind in _SKIPPED:
        return None
    if kind == "Title":
        return Block("heading", text, 1 + int(element.metadata.category_depth or 0), page)
    if kind == "Table":
        return Block("table", table_text(element.metadata.text_as_html) or text, page=page)
    if kind == "ListItem":
        return Block("list", f"- {text}", page=page)
    return Block("code" if kind == "CodeSnippet" else "text", text, page=page)


def table_text(markup: str | None) -> str:
    """A table as lines of cells, ``a | b``; empty when there is none."""
    if not markup:
        return ""
    rows = html.fragment_fromstring(markup).iter("tr")
    lines = (
        table_row(" ".join(cell.text_content().split()) for cell in row.iterchildren("td", "th"))
        for row in rows
    )
    return "\n".join(line for line in lines if line)


def _quiet() -> None:
    os.environ.update(DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="1", UNSTRUCTURED_DISABLE_NOTICE="1")
    import spacy

    if getattr(spacy.load, "offline", False):
        return
    rules = spacy.blank("xx")
    rules.add_pipe("sentencizer")
    rules.max_length = 50_000_000

    def load(*_: object, **__: object) -> Any:
        return rules

    load.offline = True  # type: ignore[attr-defined]
    spacy.load = load

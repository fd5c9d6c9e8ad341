"""What a file is, by its content; its name only tells Markdown from plain text."""

import re
import zipfile
from pathlib import Path
from typing import BinaryIO

from services.ingest.extract.blocks import DocumentKind, ExtractionFailed

HEAD = 4096  # bytes looked at
_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_MARKDOWN_NAME = (".md", ".markdown", ".mdown")
_HTML_NAME = (".html", ".htm", ".xhtml")
_MARKDOWN = re.compile(r"^(#{1,6} \S|```|[-*] \[[ x]\] |\|.+\|\s*$)", re.MULTILINE)

UNSUPPORTED = "This kind of file is not supported; send PDF, DOCX, TXT or MD."
_KNOWN = (
    (
        b"\xd0\xcf\x11\xe0",
        "This is an old Office file; save it as DOCX or PDF and send that.",
    ),
    (b"\x89PNG", "This is an image; send a document with text."),
    (b"\xff\xd8\xff", "This is an image; send a document with text."),
    (b"GIF8", "This is an image; send a document with text."),
    (b"{\\rtf", "This is an RTF file; save it as DOCX or PDF and send that."),
    (b"\x1f\x8b", "This is a compressed file; send the document itself."),
    (b"7z\xbc\xaf", "This is an archive; send the documents themselves."),
    (b"Rar!", "This is an archive; send the documents themselves."),
)


def sniff(file: BinaryIO, name: str) -> DocumentKind:
    """Raises `ExtractionFailed` for what is not supported."""
    head = file.read(HEAD)
    file.seek(0)
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK"):
        return _office(file)
    for magic, message in _KNOWN:
        if head.startswith(magic):
            raise ExtractionFailed("unsupported_type", message)
    if not head.strip():
        raise ExtractionFailed("no_text", "The file is empty.")
    lower = name.lower()
    if _HTML.search(head) or lower.endswith(_HTML_NAME):
        return "html"
    if _binary(head):
        raise ExtractionFailed("unsupported_type", UNSUPPORTED)
    return "md" if lower.endswith(_MARKDOWN_NAME) or _looks_like_markdown(head, name) else "txt"


def _office(file: BinaryIO) -> DocumentKind:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        message = "The file is damaged and can't be opened; save it again and send that."
        raise ExtractionFailed("broken_file", message) from exc
    finally:
        file.seek(0)
    if "word/document.xml" in names or ("[Content_Types].xml" in names and _has_word(names)):
        return "docx"
    if "EncryptedPackage" in names:
        raise ExtractionFailed("encrypted", "The file is protected; remove its password first.")
    raise ExtractionFailed("unsupported_type", UNSUPPORTED)


def _has_word(names: set[str]) -> bool:
    return any(name.startswith("word/") for name in names)


def _binary(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:3] == b"\xef\xbb\xbf":
        return False
    if _utf16_without_mark(head):
        return False
    control = sum(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head)
    return control > len(head) // 100


def _utf16_without_mark(head: bytes) -> bool:
    even, odd = head[::2], head[1::2]
    return len(head) > 16 and max(even.count(0), odd.count(0)) > 0.6 * len(odd)


def _looks_like_markdown(head: bytes, name: str) -> bool:
    if Path(name).suffix:
        return False
    return bool(_MARKDOWN.search(head.decode("utf-8", "replace")))

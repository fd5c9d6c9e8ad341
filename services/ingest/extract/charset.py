"""Bytes to text, by content."""

import codecs
import re

from charset_normalizer import from_bytes

from libs.retrieval.terms import detect
from services.ingest.extract.blocks import ExtractionFailed

SAMPLE = 256 << 10  # bytes the detection looks at
ALONE = 0.7  # part of the bytes above ASCII that stand alone in texts of Latin letters
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]+encoding\s*=\s*[\"']([A-Za-z0-9_:.-]+)", re.IGNORECASE)
_AS_BROWSERS_DO = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "ascii": "utf-8", "us-ascii": "utf-8",
                   "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "ks_c_5601-1987": "cp949",
                   "euc-kr": "cp949", "iso-8859-9": "cp1254"}  # fmt: skip

_HIGH = re.compile(rb"[\x80-\xff]+")
_BY_LANGUAGE = {
    **dict.fromkeys(("pl", "cs", "hu", "ro"), "cp1250"),
    **dict.fromkeys(("lt", "et"), "cp1257"),
    "tr": "cp1254",
    "vi": "cp1258",
}


def decode(data: bytes, declared: str | None = None, *, html: bool = False) -> str:
    """The text. Raises `ExtractionFailed` when no encoding fits.

    A byte order mark decides; then UTF-8, which nothing else passes for by chance; then what
    the server or the page declares; then statistics.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _lenient(data, encoding)
    candidates = [declared]
    if html:
        head = data[:4096]
        candidates += [m.group(1).decode() for m in (_META.search(head), _XML.search(head)) if m]
    for encoding in ("utf-8", *candidates):
        text = _strict(data, encoding)
        if text is not None and (encoding != "utf-8" or "\x00" not in text):
            return text
    if encoding := _western(data[:SAMPLE]) or _likeliest(data[:SAMPLE]):
        text = _strict(data, encoding) or _lenient(data, encoding)
        if text.count("\ufffd") <= len(text) // 200:
            return text
    if any(candidates) and html:
        return _lenient(data, "utf-8")
    message = "The text's encoding can't be told; save the file as UTF-8 and send that."
    raise ExtractionFailed("unknown_encoding", message)


def _western(data: bytes) -> str | None:
    """Of a text in letters of ASCII among which one now and then is not: by its language.

    Statistics of bytes take German for Chinese, and French for Polish.
    """
    runs = _HIGH.findall(data)
    if not runs or sum(len(run) == 1 for run in runs) < ALONE * len(runs):
        return None
    return _BY_LANGUAGE.get(detect(_lenient(data, "cp1252")), "cp1252")


def _likeliest(data: bytes) -> str | None:
    best = from_bytes(data).best()
    return best.encoding if best else None


def _strict(data: bytes, encoding: str | None) -> str | None:
    if not encoding:
        return None
    name = encoding.strip().lower()
    try:
        return data.decode(_AS_BROWSERS_DO.get(name, name))
    except (UnicodeDecodeError, LookupError):
        return None


def _lenient(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "replace")

"""API keys: ``ck_live_`` or ``ck_test_``, 256 random bits and a checksum, in base62.

The checksum (CRC-32, six digits) lets a scanner or a typo be told from a key without asking
anyone, as GitHub's tokens do. 32 bytes are 43 digits of base62.
"""

import re
import secrets
import zlib

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"ck_(?:live|test)_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
SHOWN = 14  # characters of a key that may be shown: the kind and the first six digits


def new_key(*, test: bool = False) -> str:
    """A new API key."""
    start = f"ck_{'test' if test else 'live'}_{_base62(secrets.randbits(256), 43)}"
    return start + _checksum(start)


def is_key(text: str) -> bool:
    """Whether this is a whole, undamaged key; says nothing about whether anyone knows it."""
    match = _SHAPE.fullmatch(text)
    return match is not None and _checksum(text[:-6]) == match.group(2)


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), 6)


def _base62(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return digits

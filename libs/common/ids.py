"""Identifiers: a prefix that names the kind, then a UUIDv7 (RFC 9562) as 32 hex digits.

UUIDv7 starts with milliseconds, so ids sort by creation and are usable as list cursors.
"""

import re
from typing import Literal

from uuid_utils import uuid7

Kind = Literal[
    "acc", "usr", "key", "inv", "ses", "aud",  # gateway
    "bot", "conv", "msg", "vis", "ans", "note", "job",  # chat
    "kn", "up", "crawl",  # ingest
    "whk", "dlv", "att",  # webhooks
    "evt", "req",  # everywhere
]  # fmt: skip

_SHAPE = re.compile(r"[a-z]{2,5}_[A-Za-z0-9_-]{1,64}")


def new_id(kind: Kind) -> str:
    """A new identifier such as ``bot_0190a5f2c6b07c2f9b2e6d1f0a3b4c5d``."""
    return f"{kind}_{uuid7().hex}"


def is_id(text: str, kind: Kind) -> bool:
    """Whether ``text`` could be an identifier of this kind (its shape alone is judged)."""
    return text.startswith(f"{kind}_") and _SHAPE.fullmatch(text) is not None

"""What is stored of a passage, and what a search gives back."""

from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec
import regex

Kind = Literal["text", "table", "qa"]
State = Literal["building", "live"]

_LINK = regex.compile(r"\[([^\[\]\n]+)\]\((?:https?://|mailto:|tel:)[^\s()]+\)")


class StoredPassage(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a point: all that an answer needs, so that a search is one round trip.

    ``state`` is "building" from the writing of a new generation until all of it is there.
    """

    account: str
    chatbot: str
    item: str
    generation: int
    ordinal: int
    state: State
    kind: Kind
    text: str
    title: str
    url: str | None = None
    page: int | None = None
    headings: list[str] = []
    question: str | None = None  # of a Q&A pair; ``text`` is then the answer
    language: str = "en"

    @property
    def indexed_text(self) -> str:
        return indexed_text(self.title, self.headings, self.question, self.text)


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A found passage. ``score`` is from 0 to 1, comparable within one search."""

    id: str
    score: float
    knowledge_id: str
    title: str
    text: str
    url: str | None = None
    page: int | None = None
    headings: list[str] = []
    kind: Kind = "text"
    question: str | None = None
    language: str = "en"
    ordinal: int = 0


class Passages(msgspec.Struct, frozen=True, kw_only=True):
    """``answerable``: the best passages pass the relevance floor; ``confidence`` by how much.

    ``degraded``: found by words alone, since the embedder was away.
    """

    passages: list[Passage]
    answerable: bool
    confidence: float
    degraded: bool = False
    query: str = ""


def point_id(item: str, generation: int, ordinal: int) -> str:
    """The same for the same content position, so that a repeated write changes nothing."""
    return str(uuid5(NAMESPACE_URL, f"chattery:{item}:{generation}:{ordinal}"))


def indexed_text(title: str, headings: list[str], question: str | None, text: str) -> str:
    """What is embedded and indexed: where the passage stands, then the passage."""
    path = " > ".join(dict.fromkeys(part for part in [title, *headings] if part))
    return "\n".join(part for part in (path, question, plain(text)) if part)


def plain(text: str) -> str:
    """A passage without the addresses of its links, ``[the form](https://…)``: what it says."""
    return _LINK.sub(r"\1", text)


def stored(payload: dict[str, Any]) -> StoredPassage:
    return msgspec.convert(payload, StoredPassage)

"""Texts about nothing in particular, in many languages: what anything is near to anyway.

A cosine says little by itself (unrelated texts of e5 are at .74 to .82). How far the best
passage stands above these passages, which answer nobody's question, says much more, whatever
the embedder. They say nearly the same in every language, so that what tells two languages apart
here is language alone: from it, the packaged embedder learns what to take out of its vectors
(`embed.centre`). The questions are answered by none of them.
"""

from functools import lru_cache
from importlib.resources import files

import msgspec


class Language(msgspec.Struct, frozen=True):
    """One language's texts; a line of ``background.jsonl``."""

    language: str
    texts: tuple[str, ...]
    questions: tuple[str, ...]


@lru_cache(maxsize=1)
def languages() -> tuple[Language, ...]:
    lines = files("libs.retrieval").joinpath("background.jsonl").read_bytes().splitlines()
    return tuple(msgspec.json.decode(line, type=Language) for line in lines)


def texts() -> list[str]:
    """The passages of all languages."""
    return [text for language in languages() for text in language.texts]

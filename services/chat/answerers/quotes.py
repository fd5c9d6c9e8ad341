"""Sentences in any language, and the source that a quoted span makes."""

from collections.abc import Iterator

import regex

from libs.common.calls import Source
from libs.common.ids import new_id
from libs.retrieval.passages import Passage, plain
from libs.retrieval.terms import content_stems, stem_set

LONGEST_QUOTE = 320  # characters

# Sentences end at the script's own full stops; elsewhere at a stop that a space follows. Not
# after an initial, a number's dot or a common abbreviation.
_END = regex.compile(
    r"(?<=[。！？]|(?<!\b(?:\p{Lu}|Dr|Mr|Mrs|Ms|St|No|Nr|vs|etc|approx|e\.g|i\.e|z\.B|bzw|ca|Str|Sr|Sra))"
    r"[.!?…؟।]['\"”’»)\]]*)(?:\s+(?=\S)|(?<=[。！？])(?=\S))"
)


def sentences(text: str) -> list[str]:
    """The sentences of a text; each line of a list or a table is one."""
    return list(_sentences(text))


def _sentences(text: str) -> Iterator[str]:
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped:
            continue
        for part in _END.split(stripped):
            if part and part.strip():
                yield part.strip()


def supporting(passage: Passage, statement: str, language: str) -> str:
    """The passage's sentence that shares most words with a statement made from it."""
    wanted = content_stems(statement, (passage.language, language[:2]))

    def shared(sentence: str) -> int:
        stems = stem_set(sentence, passage.language)
        return sum(bool(forms & stems) for forms in wanted)

    return max(sentences(passage.text) or [passage.text], key=shared)


def source(passage: Passage, quote: str) -> Source:
    """A source with the quoted span, shortened at a word."""
    shown = " ".join(plain(quote).split())
    if len(shown) > LONGEST_QUOTE:
        shown = shown[:LONGEST_QUOTE].rsplit(" ", 1)[0] + " …"
    return Source(
        id=f"src_{new_id('msg')[4:]}",
        knowledge_id=passage.knowledge_id,
        title=passage.title,
        url=passage.url,
        page=passage.page,
        quote=shown,
    )


def one_per_item(sources: list[Source]) -> list[Source]:
    """The first source of each place: item and page."""
    seen: dict[tuple[str, int | None], Source] = {}
    for one in sources:
        seen.setdefault((one.knowledge_id, one.page), one)
    return list(seen.values())

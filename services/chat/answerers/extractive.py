"""Answers made of the knowledge's own sentences: cited, never invented.

What answers the question best is said (see `picking`), as it stands; a Q&A pair whose question
matches is answered verbatim.
"""

from collections.abc import AsyncGenerator, Sequence

from services.chat.answerers.picking import choose
from services.chat.answerers.port import Delta, Ending, Question
from services.chat.answerers.quotes import one_per_item, source
from services.chat.answerers.statements import Statement

WORDS_A_DELTA = 12


class ExtractiveAnswerer:
    """The default where no model is configured."""

    async def answer(self, question: Question) -> AsyncGenerator[Delta | Ending]:
        chosen = await choose(question)
        if not chosen:
            yield Ending(finish="no_answer")
            return
        for delta in deltas("\n\n".join(paragraphs(chosen))):
            yield delta
        passages = question.passages
        sources = one_per_item([source(passages[s.passage], s.quote) for s in chosen])
        yield Ending(finish="complete", sources=sources)


def paragraphs(chosen: Sequence[Statement]) -> list[str]:
    """What is said of one passage together; items and rows on lines of their own."""
    found: list[str] = []
    last: Statement | None = None
    for one in chosen:
        if last is not None and last.passage == one.passage:
            lines = one.row or last.row or one.list is not None or last.list is not None
            found[-1] += ("\n" if lines else space(found[-1])) + one.text
        else:
            found.append(one.text)
        last = one
    return found


def space(before: str) -> str:
    """What stands between two sentences, after the first."""
    return "" if before[-1:] in "。！？" else " "


def deltas(text: str) -> list[Delta]:
    """The text in pieces of some words, as a model would send it; together they are the text."""
    pieces: list[str] = []
    start = words = 0
    for position, character in enumerate(text):
        words += character.isspace() or character > "\u2e7f"
        if words >= WORDS_A_DELTA:
            pieces.append(text[start : position + 1])
            start, words = position + 1, 0
    if start < len(text):
        pieces.append(text[start:])
    return [
        Delta(piece, last=n == len(pieces), ready=True) for n, piece in enumerate(pieces, start=1)
    ]

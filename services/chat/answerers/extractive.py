"""Answers made of the knowledge's own sentences: cited, never invented.

The best-supported sentences are those that share the question's rarest words; a sentence that
only makes sense after the one before it brings that one along. A Q&A pair whose question
matches is answered verbatim.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

import msgspec

from libs.retrieval.passages import Passage
from libs.retrieval.terms import content_stems, likely_languages, stem_set
from services.chat.answerers.port import Delta, Ending, Question
from services.chat.answerers.quotes import one_per_item, sentences, source

PASSAGES = 4  # looked into
SENTENCES = {"short": 1, "medium": 3, "long": 6}
SHARE_OF_BEST = 0.55  # a further sentence must be this well supported, of the best one's support
NEAR_TOP = 0.82  # a passage's score, of the best passage's, below which it is not looked into
WORDS_A_DELTA = 5


class Sentence(msgspec.Struct, frozen=True):
    passage: int
    position: int
    text: str
    score: float


class ExtractiveAnswerer:
    """The default where no model is configured."""

    async def answer(self, question: Question) -> AsyncGenerator[Delta | Ending]:
        chosen = await asyncio.to_thread(choose, question)
        for delta in deltas("\n\n".join(_paragraphs(chosen))):
            yield Delta(delta)
            await asyncio.sleep(0)
        passages = question.passages
        sources = one_per_item([source(passages[s.passage], s.text) for s in chosen])
        yield Ending(finish="complete", sources=sources)


def choose(question: Question) -> list[Sentence]:
    """The sentences to answer with, in the order to say them in."""
    passages = question.passages[:PASSAGES]
    best = passages[0]
    if best.kind == "qa":
        return [Sentence(0, 0, best.text, 1.0)]
    wanted = content_stems(question.text, likely_languages(question.text, question.language))
    found = _scored(passages, wanted)
    if not found:
        return [Sentence(0, 0, best.text, 1.0)]
    limit = SENTENCES[question.chatbot.personality.answer_length]
    ranked = sorted(found, key=lambda s: -s.score)
    top = ranked[0]
    picked = [s for s in ranked[:limit] if s.score >= top.score * SHARE_OF_BEST]
    chosen = {(s.passage, s.position): s for s in picked}
    for neighbour in _completing(found, top, limit - len(chosen)):
        chosen.setdefault((neighbour.passage, neighbour.position), neighbour)
    order = {top.passage: -1}
    return sorted(chosen.values(), key=lambda s: (order.get(s.passage, s.passage), s.position))


def _scored(passages: Sequence[Passage], wanted: list[frozenset[str]]) -> list[Sentence]:
    """Every sentence with the weight of the question's words in it; rare words weigh more."""
    split: list[tuple[int, int, str, set[str]]] = []
    for number, passage in enumerate(passages):
        if passage.score < passages[0].score * NEAR_TOP and number:
            continue
        if passage.kind == "qa":
            continue
        around = stem_set(" ".join([passage.title, *passage.headings]), passage.language)
        for position, text in enumerate(sentences(passage.text)):
            split.append((number, position, text, set(stem_set(text, passage.language))))
            if position == 0 and around:
                split[-1] = (number, position, text, split[-1][3])
    frequency: Counter[int] = Counter()
    for _, _, _, stems in split:
        for word, forms in enumerate(wanted):
            frequency[word] += bool(forms & stems)
    total = len(split)
    weights = {word: math.log(1 + total / (1 + frequency[word])) for word in range(len(wanted))}
    out: list[Sentence] = []
    for number, position, text, stems in split:
        support = sum(weights[w] for w, forms in enumerate(wanted) if forms & stems)
        rank = passages[number].score / (passages[0].score or 1.0)
        long = 1.0 if len(text) > 25 else 0.7  # a heading or a label alone says little
        out.append(Sentence(number, position, text, (support + 0.15) * rank * long))
    return out


def _completing(found: list[Sentence], top: Sentence, room: int) -> list[Sentence]:
    """Neighbours of the best sentence: what follows it, as room allows."""
    if room <= 0:
        return []
    same = {s.position: s for s in found if s.passage == top.passage}
    after = [same[p] for p in (top.position + 1,) if p in same and len(top.text) < 120]
    return after[:room]


def _paragraphs(chosen: list[Sentence]) -> list[str]:
    """Sentences of one passage together; lines of a list or table keep their lines."""
    paragraphs: list[str] = []
    last: Sentence | None = None
    for sentence in chosen:
        joined = last is not None and last.passage == sentence.passage
        if joined:
            listed = sentence.text.startswith(("-", "*", "|", "•")) or "|" in sentence.text
            close = "\n" if listed else space(paragraphs[-1])
            paragraphs[-1] += close + sentence.text
        else:
            paragraphs.append(sentence.text)
        last = sentence
    return paragraphs


def space(before: str) -> str:
    """What stands between two sentences, after the first."""
    return "" if before[-1:] in "。！？" else " "


def deltas(text: str) -> list[str]:
    """The text in pieces of a few words, as a model would send it; together they are the text."""
    pieces: list[str] = []
    start = words = 0
    for position, character in enumerate(text):
        words += character.isspace() or character > "\u2e7f"
        if words >= WORDS_A_DELTA:
            pieces.append(text[start : position + 1])
            start, words = position + 1, 0
    if start < len(text):
        pieces.append(text[start:])
    return pieces

"""Which statements of the found passages answer a question: by meaning and by words.

The nearest in meaning is not always right, nor is the one with most of the question's words;
together they pick the sentence with the answer for 83 of 100 questions of XQuAD, and for 68 to 78
where the question is in another language, in which words alone find 40 to 61. Without an embedder
words alone must do. ``make eval`` tells how many answers hold what they should.
"""

import math
from collections.abc import Sequence

import msgspec

from libs.retrieval.passages import Passage, plain
from libs.retrieval.terms import content_stems, likely_languages, stem_set
from services.chat.answerers.port import Question
from services.chat.answerers.statements import Statement, statements, whole_list

PASSAGES = 4  # looked into
CONSIDERED = 24  # statements that are compared by meaning
SAID = {"short": 1, "medium": 2, "long": 5}  # statements of an answer
WORDS = 0.4  # weight of the words beside the cosine
ABOVE = 0.6  # what a word counts that stands only in the headings above
RANK = 0.3  # weight of the passage's score beside the best one's
FAR = 0.16  # cosine to the nearest statement, below which none answers
CLOSE = 0.08  # a further statement must be this near to the best
NEW = 0.4  # or have this part of the question's weight that the best has not, and be half as near


class _Scored(msgspec.Struct, frozen=True):
    statement: Statement
    score: float
    words: frozenset[int]  # which of the question's it has


async def choose(question: Question) -> list[Statement]:
    """The statements to answer with, in the order to say them in; none when none is near."""
    passages = question.passages[:PASSAGES]
    best = passages[0]
    whole = Statement(0, 0, best.text, best.text)
    if best.kind == "qa":
        return [whole]
    there = [s for s in statements(passages) if passages[s.passage].kind != "qa"]
    words = _Words(question, passages, there)
    considered = sorted(there, key=lambda s: (-words.share(s), s.passage))[:CONSIDERED]
    near = await question.relate(question.asked, [_told(s, passages) for s in considered])
    if near and max(near) < FAR:
        return []
    scored = [
        _Scored(s, cosine + words.share(s) * WORDS + _rank(s, passages), words.of(s))
        for s, cosine in zip(considered, near or [0.0] * len(considered), strict=True)
    ]
    if not scored:
        return [whole]
    scored.sort(key=lambda s: -s.score)
    limit = SAID[question.chatbot.personality.answer_length]
    return _with_lists(_picked(scored, words, limit), there)


def _picked(ranked: Sequence[_Scored], words: "_Words", limit: int) -> list[Statement]:
    """The best, and what is as good or adds something."""
    best, had = ranked[0], set(ranked[0].words)
    picked = [best.statement]
    for other in ranked[1:]:
        if len(picked) == limit:
            break
        adds = words.weight(other.words - had) >= NEW and other.score >= best.score / 2
        near = best.score - other.score <= CLOSE and _alike(best.statement, other.statement)
        if adds or near:
            picked.append(other.statement)
            had |= other.words
    return picked


def _alike(one: Statement, other: Statement) -> bool:
    """Of one passage, and both of its text or both of its tables."""
    return (one.passage, one.row) == (other.passage, other.row)


def _with_lists(picked: list[Statement], there: Sequence[Statement]) -> list[Statement]:
    """The best one first, whatever stands before it; what belongs to a list whole."""
    best = whole_list(there, picked[0])
    first = picked[0].passage
    further = {
        (s.passage, s.position): s
        for one in picked[1:]
        for s in whole_list(there, one)
        if s not in best
    }
    order = sorted(further.values(), key=lambda s: (s.passage != first, s.passage, s.position))
    return [*best, *order]


def _rank(statement: Statement, passages: Sequence[Passage]) -> float:
    return RANK * (passages[statement.passage].score / (passages[0].score or 1.0) - 1.0)


def _told(statement: Statement, passages: Sequence[Passage]) -> str:
    """As it is compared: under its heading, without which many a statement says little."""
    passage = passages[statement.passage]
    heading = passage.headings[-1] if passage.headings else passage.title
    said = plain(statement.text)
    return f"{heading}\n{said}" if heading else said


class _Words:
    """The question's words with their weight: what stands in few statements weighs more."""

    def __init__(
        self, question: Question, passages: Sequence[Passage], there: Sequence[Statement]
    ) -> None:
        self._wanted = content_stems(
            question.asked, likely_languages(question.asked, question.language)
        )
        self._had: dict[tuple[int, int], frozenset[int]] = {}
        for s in there:
            stems = stem_set(plain(s.text), passages[s.passage].language)
            self._had[s.passage, s.position] = self._among(stems)
        self._above = [
            self._among(stem_set(" ".join([p.title, *p.headings]), p.language)) for p in passages
        ]
        self._weights = [self._idf(word) for word in range(len(self._wanted))]
        self._total = sum(self._weights) or 1.0

    def of(self, statement: Statement) -> frozenset[int]:
        """Which of the question's words a statement has."""
        return self._had[statement.passage, statement.position]

    def share(self, statement: Statement) -> float:
        """The part of the question's weight that a statement has, headings counting in part."""
        had = self.of(statement)
        return self.weight(had) + ABOVE * self.weight(self._above[statement.passage] - had)

    def weight(self, words: frozenset[int]) -> float:
        return sum(self._weights[word] for word in words) / self._total

    def _among(self, stems: frozenset[str]) -> frozenset[int]:
        return frozenset(n for n, forms in enumerate(self._wanted) if forms & stems)

    def _idf(self, word: int) -> float:
        count = sum(word in had for had in self._had.values())
        return math.log(1 + len(self._had) / (1 + count))

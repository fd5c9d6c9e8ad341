"""Neighbours of one item made one passage, so that an answer is not cut where a chunk was."""

from collections.abc import Sequence

from msgspec.structs import replace

from libs.retrieval.passages import Passage, stored
from libs.retrieval.reader import Hit

LONGEST = 6000  # characters of a merged passage
CONSIDERED = 4  # times the limit: hits that may join the best ones
RELATED = 0.5  # a neighbour joins when it has this part of the score


def merge(ranked: Sequence[tuple[float, Hit]], limit: int) -> list[Passage]:
    """The best ``limit`` passages; a hit next to a better one of its section joins it."""
    found: list[_Group] = []
    for score, hit in ranked[: limit * CONSIDERED]:
        passage = _passage(score, hit)
        if any(group.takes(passage) for group in found):
            continue
        if len(found) < limit:
            found.append(_Group(passage))
    return [group.merged() for group in found]


class _Group:
    """Consecutive chunks under one heading, found together."""

    def __init__(self, best: Passage) -> None:
        self.best = best
        self.parts = [best]

    def takes(self, other: Passage) -> bool:
        if other.knowledge_id != self.best.knowledge_id or other.kind == "qa":
            return False
        if other.headings != self.best.headings or other.score < RELATED * self.best.score:
            return False
        ordinals = [part.ordinal for part in self.parts]
        if other.ordinal not in (min(ordinals) - 1, max(ordinals) + 1):
            return False
        if sum(len(part.text) for part in [*self.parts, other]) > LONGEST:
            return False
        self.parts.append(other)
        return True

    def merged(self) -> Passage:
        if len(self.parts) == 1:
            return self.best
        parts = sorted(self.parts, key=lambda part: part.ordinal)
        text = "\n".join(part.text for part in parts)
        return replace(self.best, text=text, page=parts[0].page)


def _passage(score: float, hit: Hit) -> Passage:
    kept = stored(hit.payload or {})
    return Passage(
        id=str(hit.id),
        score=round(score, 4),
        knowledge_id=kept.item,
        title=kept.title,
        text=kept.text,
        url=kept.url,
        page=kept.page,
        headings=kept.headings,
        kind=kept.kind,
        question=kept.question,
        language=kept.language,
        ordinal=kept.ordinal,
    )

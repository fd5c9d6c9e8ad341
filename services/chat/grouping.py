"""Questions that mean the same, put together: near in the embedder's space, or in their words."""

import numpy as np
from numpy.typing import NDArray

from libs.retrieval.terms import content_stems, likely_languages

NEAR = 0.5  # cosine of two questions, once what all questions have in common is taken away
SHARED = 0.6  # of two questions' stems (Jaccard), where there is no embedder

Vector = NDArray[np.float32]


def grouped(texts: list[str], vectors: NDArray[np.float32] | None) -> list[list[int]]:
    """Positions of texts by meaning; each joins the first group whose first text it is like."""
    stems = [_stems(text) for text in texts]
    groups: list[list[int]] = []
    for position in range(len(texts)):
        for group in groups:
            if _alike(position, group[0], stems, vectors):
                group.append(position)
                break
        else:
            groups.append([position])
    return groups


def _alike(a: int, b: int, stems: list[frozenset[str]], vectors: Vector | None) -> bool:
    if stems[a] and stems[a] == stems[b]:
        return True
    if vectors is not None and float(vectors[a] @ vectors[b]) >= NEAR:
        return True
    either = stems[a] | stems[b]
    return bool(either) and len(stems[a] & stems[b]) / len(either) >= SHARED


def _stems(text: str) -> frozenset[str]:
    forms = content_stems(text, likely_languages(text))
    return frozenset(min(form) for form in forms if form)

"""What all texts of an embedder have in common, and what their language adds, taken out.

e5 puts every text into one narrow cone (unrelated ones have a cosine of .74 to .82), and within
it a text's language decides more than it should: two texts about nothing in common are near
because both are Chinese, and a threshold that is right for English is wrong for Thai. Taking
away the mean spreads the cosines over -0.3 to 0.9. Taking away the directions in which the
means of languages differ (Yang et al. 2021, "A Simple and Effective Method To Eliminate the
Self Language Bias in Multilingual Representations") makes a cosine say the same in each of
them: on XQuAD unrelated texts had .09 in English, .18 in Spanish and .27 in Chinese, and have
.05 to .08; the order of passages stays as good, and a question finds more of those in another
language. Both are learned from the background (``python -m bench.fit_floor --centre``).
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.retrieval.embed.port import Vector, normalised

COMMON = 2  # directions that texts of any language share most (Mu & Viswanath 2018)

Matrix = NDArray[np.float32]


class Centre(msgspec.Struct, frozen=True):
    """Means of questions and of passages, and the directions taken out, one a row."""

    questions: Matrix
    passages: Matrix
    directions: Matrix

    @classmethod
    def of(cls, questions: Sequence[Matrix], passages: Sequence[Matrix]) -> "Centre":
        """Learned from texts that say the same in several languages: a matrix for each."""
        asked = np.vstack([rows.mean(axis=0) for rows in questions])
        told = np.vstack([rows.mean(axis=0) for rows in passages])
        apart = (asked - asked.mean(axis=0) + told - told.mean(axis=0)) / 2
        # One language less than there are: their differences from the mean add up to nothing.
        directions = _principal(apart, len(apart) - 1)
        rest = np.vstack(passages) - told.mean(axis=0)
        rest -= (rest @ directions.T) @ directions
        directions = np.vstack([directions, _principal(rest, COMMON)])
        return cls(asked.mean(axis=0), told.mean(axis=0), directions.astype(np.float32))

    @classmethod
    @lru_cache(maxsize=1)
    def packaged(cls) -> "Centre":
        """That of the packaged embedder."""
        with files("libs.retrieval.embed").joinpath("centre.npy").open("rb") as file:
            rows = np.load(file)
        return cls(rows[0], rows[1], rows[2:])

    def rows(self) -> Matrix:
        """As it is kept in a file."""
        return np.vstack([self.questions, self.passages, self.directions]).astype(np.float32)

    def apply(self, vectors: Matrix, *, is_query: bool) -> list[Vector]:
        """Unit vectors without what they have in common and what their language adds."""
        moved = vectors - (self.questions if is_query else self.passages)
        spread = moved - (moved @ self.directions.T) @ self.directions
        return normalised(spread.astype(np.float32))


def _principal(rows: Matrix, count: int) -> Matrix:
    return np.linalg.svd(rows, full_matrices=False)[2][:count]

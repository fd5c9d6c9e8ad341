"""The port: what an embedder is to its users."""

from typing import Protocol

import numpy as np
import regex
from numpy.typing import NDArray

from libs.common.errors import AppError, Unavailable

Vector = NDArray[np.float32]
_PREFIXED = ("e5-",)  # families trained with "query: " and "passage: " before the text

_UNSENDABLE = regex.compile(r"[\x00\ud800-\udfff]")
_DENSE_SCRIPT = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}]"
)


class EmbeddingFailed(Unavailable):
    """The embedder did not answer; try again shortly."""

    code = "embedder_unavailable"


class EmbedderMisconfigured(AppError):
    """CHATTERY_EMBEDDER=http needs CHATTERY_EMBEDDINGS_URL and CHATTERY_EMBEDDINGS_MODEL."""

    code = "embedder_misconfigured"


class Embedder(Protocol):
    """Turns texts into unit vectors of ``dimensions`` numbers.

    ``model`` names weights and way of use, so that equal names give equal vectors: it is part
    of the cache key and of the name of the collection. ``limit`` is the longest passage, in
    tokens, that is embedded whole; ``batch`` how many passages are well given to it together.
    Raises `EmbeddingFailed` when retries are used up.
    """

    model: str
    dimensions: int
    limit: int
    batch: int

    async def embed_queries(self, texts: list[str]) -> list[Vector]: ...

    async def embed_passages(self, texts: list[str]) -> list[Vector]: ...

    def count_tokens(self, text: str) -> int: ...


def clean(text: str) -> str:
    """Without NUL, which truncates C strings in silence, and lone surrogates, which cannot be sent."""
    return _UNSENDABLE.sub(" ", text)


def estimate_tokens(text: str) -> int:
    """About as many as a subword tokenizer makes; on the high side."""
    dense = len(_DENSE_SCRIPT.findall(text))
    return (
        2 + dense + (len(text.encode()) - 3 * dense) // 4 if dense else 2 + len(text.encode()) // 4
    )


def normalised(vectors: NDArray[np.float32]) -> list[Vector]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return list((vectors / np.maximum(lengths, 1e-12)).astype(np.float32))


def prefixed(name: str) -> bool:
    """Whether a model was trained with ``query: `` and ``passage: `` before its texts."""
    return any(part in name.lower() for part in _PREFIXED)

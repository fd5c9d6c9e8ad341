"""The question's side of embedding: the embedder that fits the collection being read."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import numpy as np
from numpy.typing import NDArray

from libs.common.errors import AppError
from libs.common.telemetry import EMBEDDER_SECONDS, log, timed
from libs.retrieval.collection import Collection
from libs.retrieval.embed import EmbedderSettings, QueryEmbedder, Vector, open_embedder
from libs.retrieval.embed.packaged import PackagedEmbedder
from libs.retrieval.floor import Background, Nearness

EMBED_TIMEOUT = 4.0  # seconds; beyond that words alone must do
REMEMBERED = 4096  # texts that were compared with a question; 1.5 KB each at 384 dimensions

Vectors = NDArray[np.float32]


class Embedded(msgspec.Struct, frozen=True):
    """A question's vector, and how near it is to texts about nothing in particular."""

    vector: Vector
    near: Nearness
    packaged: bool


class _Open(msgspec.Struct, frozen=True):
    queries: QueryEmbedder
    background: Background
    texts: OrderedDict[str, Vector] = msgspec.field(default_factory=OrderedDict)

    @property
    def mean(self) -> Vector:
        """What all texts have in common; about nothing where the vectors are centred already."""
        return self.background.vectors.mean(axis=0)

    async def passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of short texts, a row each; those seen lately are remembered."""
        # Taken now: while others are embedded, somebody else may push them out.
        found = {text: self.texts[text] for text in texts if text in self.texts}
        if missing := [text for text in dict.fromkeys(texts) if text not in found]:
            fresh = await self.queries.embedder.embed_passages(missing)
            found.update(zip(missing, fresh, strict=True))
        for text, vector in found.items():
            self.texts[text] = vector
            self.texts.move_to_end(text)
        while len(self.texts) > REMEMBERED:
            self.texts.popitem(last=False)
        return np.asarray([found[text] for text in texts], np.float32)


class QueryEmbedders:
    """Opens the embedder a collection was filled with, once; two are open during a move."""

    def __init__(self, settings: EmbedderSettings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._open: dict[str, _Open] = {}
        self._lock = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: EmbedderSettings) -> AsyncIterator["QueryEmbedders"]:
        async with AsyncExitStack() as stack:
            yield cls(settings, stack)

    async def embed(self, collection: Collection, text: str) -> Embedded | None:
        """None when the embedder is away or late: the search goes on by words."""
        try:
            with timed(EMBEDDER_SECONDS, "question"):
                async with asyncio.timeout(EMBED_TIMEOUT):
                    opened = await self.get(collection)
                    vector = await opened.queries.embed(text)
        except (AppError, TimeoutError) as exc:
            log.warning("question_not_embedded", model=collection.model, reason=str(exc))
            return None
        near = opened.background.near(vector)
        return Embedded(vector, near, collection.model == PackagedEmbedder.model)

    async def centred(self, collection: Collection, texts: list[str]) -> Vectors | None:
        """Unit vectors of questions without what all texts have in common, for comparing them."""
        try:
            async with asyncio.timeout(EMBED_TIMEOUT * 4):
                opened = await self.get(collection)
                found = [await opened.queries.embed(text) for text in texts]
        except (AppError, TimeoutError) as exc:
            log.warning("questions_not_embedded", model=collection.model, reason=str(exc))
            return None
        return _units(np.asarray(found, np.float32) - opened.mean)

    async def relate(
        self, collection: Collection, question: str, texts: Sequence[str]
    ) -> list[float] | None:
        """Cosines of texts to a question, without what all texts have in common."""
        if not texts:
            return []
        try:
            async with asyncio.timeout(EMBED_TIMEOUT):
                opened = await self.get(collection)
                asked = await opened.queries.embed(question)
                found = await opened.passages(texts)
        except (AppError, TimeoutError) as exc:
            log.warning("texts_not_related", model=collection.model, reason=str(exc))
            return None
        rows = _units(np.vstack([asked, found]) - opened.mean)
        return (rows[1:] @ rows[0]).tolist()

    async def get(self, collection: Collection) -> _Open:
        """Raises `EmbeddingFailed` or `EmbedderMisconfigured`."""
        opened = self._open.get(collection.model)
        if opened is not None:
            return opened
        async with self._lock:
            if collection.model not in self._open:
                embedder = await self._stack.enter_async_context(
                    open_embedder(self._settings, collection.model)
                )
                background = await Background.of(embedder)
                self._open[collection.model] = _Open(QueryEmbedder(embedder), background)
            return self._open[collection.model]


def _units(vectors: Vectors) -> Vectors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)

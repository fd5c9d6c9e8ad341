"""Questions embedded together and remembered: the embedder is the dearest step of an answer."""

import asyncio
from collections import OrderedDict

from libs.retrieval.embed.port import Embedder, EmbeddingFailed, Vector

CACHE = 2048  # questions; 1.5 KB each at 384 dimensions
BATCH = 8
WAITING = 512  # questions in the queue; beyond that the newest is refused


class QueryEmbedder:
    """Questions that arrive while a batch is being embedded form the next batch.

    Nothing waits on purpose: an idle embedder takes a question at once.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._cache: OrderedDict[str, Vector] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Vector]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def embed(self, text: str) -> Vector:
        """The unit vector of a question. Raises `EmbeddingFailed`."""
        text = " ".join(text.split())
        if (vector := self._cache.get(text)) is not None:
            self._cache.move_to_end(text)
            return vector
        future = self._waiting.get(text)
        if future is None:
            if len(self._waiting) >= WAITING:
                raise EmbeddingFailed("Too many questions at once; try again shortly.")
            future = self._waiting[text] = asyncio.get_running_loop().create_future()
            if self._worker is None or self._worker.done():
                self._worker = asyncio.create_task(self._work())
        return await asyncio.shield(future)

    async def _work(self) -> None:
        while self._waiting:
            batch = list(self._waiting)[:BATCH]
            try:
                vectors = await self.embedder.embed_queries(batch)
            except Exception as exc:
                self._fail(batch, exc)
            else:
                for text, vector in zip(batch, vectors, strict=True):
                    self._remember(text, vector)

    def _remember(self, text: str, vector: Vector) -> None:
        self._cache[text] = vector
        if len(self._cache) > CACHE:
            self._cache.popitem(last=False)
        future = self._waiting.pop(text)
        if not future.done():
            future.set_result(vector)

    def _fail(self, batch: list[str], exc: Exception) -> None:
        error = exc if isinstance(exc, EmbeddingFailed) else EmbeddingFailed()
        for text in batch:
            future = self._waiting.pop(text)
            if not future.done():
                future.set_exception(error)
                future.exception()  # a caller that went away leaves no warning behind

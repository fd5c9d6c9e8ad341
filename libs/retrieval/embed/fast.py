"""An embedder from the optional ``fastembed`` package (ONNX; downloads its weights on first use)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from libs.retrieval.embed.port import (
    EmbedderMisconfigured,
    Vector,
    clean,
    estimate_tokens,
    normalised,
    prefixed,
)

BATCH = 8


class FastEmbedder:
    limit = 500
    batch = 12

    def __init__(self, name: str) -> None:
        self.model = f"fastembed:{name}"
        self.dimensions = 0
        self._name = name
        self._engine: Any = None
        self._queries = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._passages = ThreadPoolExecutor(1, thread_name_prefix="embed-passage")

    async def load(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._passages, self._load)
        self.dimensions = len((await self.embed_queries(["ready"]))[0])

    async def embed_queries(self, texts: list[str]) -> list[Vector]:
        return await self._run(self._queries, "query", texts)

    async def embed_passages(self, texts: list[str]) -> list[Vector]:
        return await self._run(self._passages, "passage", texts)

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    async def close(self) -> None:
        self._queries.shutdown(wait=False, cancel_futures=True)
        self._passages.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        from fastembed import TextEmbedding  # pyright: ignore[reportMissingImports]

        try:
            self._engine = TextEmbedding(self._name, threads=1)
        except ValueError as exc:  # it has no such model
            raise EmbedderMisconfigured(str(exc)) from exc

    async def _run(self, pool: ThreadPoolExecutor, way: str, texts: list[str]) -> list[Vector]:
        embed = getattr(self._engine, f"{way}_embed")
        prefix = f"{way}: " if prefixed(self._name) else ""

        def encode(batch: list[str]) -> list[Vector]:
            rows = list(embed([prefix + text for text in batch]))
            return normalised(np.array(rows, dtype=np.float32))

        loop = asyncio.get_running_loop()
        found: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            batch = [clean(text) or " " for text in texts[start : start + BATCH]]
            found += await loop.run_in_executor(pool, encode, batch)
        return found

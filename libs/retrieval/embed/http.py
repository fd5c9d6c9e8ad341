"""An embedder behind HTTP: anything that speaks OpenAI's ``POST /v1/embeddings``."""

import asyncio
import base64
import random
from typing import Any

import aiohttp
import msgspec
import numpy as np

from libs.retrieval.embed.port import (
    EmbeddingFailed,
    Vector,
    clean,
    estimate_tokens,
    normalised,
    prefixed,
)

BATCH = 32  # texts a request
CONCURRENCY = 4  # requests of passages at once
ATTEMPTS = 5
TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5)  # seconds, one request of passages
QUERY_TIMEOUT = aiohttp.ClientTimeout(total=5, connect=2)  # seconds, a question is waiting
LONGEST = 32_000  # characters of one text
LARGEST_ANSWER = 64 << 20  # bytes


class _Item(msgspec.Struct):
    index: int
    embedding: list[float] | str


class _Answer(msgspec.Struct):
    data: list[_Item]


class HttpEmbedder:
    """Passages in bounded batches, retried with jitter; queries on their own connections."""

    limit = 500
    batch = BATCH * CONCURRENCY

    def __init__(
        self,
        url: str,
        name: str,
        key: str = "",
        *,
        dimensions: int = 0,
        limit: int = 500,
    ) -> None:
        self.model = f"http:{name}"
        self.dimensions = dimensions
        self.limit = limit
        self._name = name
        self._url = url.rstrip("/")
        if not self._url.endswith("/embeddings"):
            self._url += "/embeddings" if self._url.endswith("/v1") else "/v1/embeddings"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._session: aiohttp.ClientSession | None = None
        self._prefixed = prefixed(name)

    async def load(self) -> None:
        """Learn the dimensions from the server when they are not configured."""
        if not self.dimensions:
            self.dimensions = len((await self._post(["ready"], TIMEOUT))[0])

    async def embed_queries(self, texts: list[str]) -> list[Vector]:
        texts = [self._ready(text, "query: ") for text in texts]
        return await self._post(texts, QUERY_TIMEOUT, attempts=2)

    async def embed_passages(self, texts: list[str]) -> list[Vector]:
        texts = [self._ready(text, "passage: ") for text in texts]
        batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        done = await asyncio.gather(*(self._bounded(batch) for batch in batches))
        return [vector for batch in done for vector in batch]

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _ready(self, text: str, prefix: str) -> str:
        return ((prefix if self._prefixed else "") + clean(text)[:LONGEST]) or " "

    async def _bounded(self, texts: list[str]) -> list[Vector]:
        async with self._slots:
            return await self._post(texts, TIMEOUT)

    async def _post(
        self, texts: list[str], timeout: aiohttp.ClientTimeout, attempts: int = ATTEMPTS
    ) -> list[Vector]:
        reason = ""
        for attempt in range(attempts):
            wait = 0.25 * 2**attempt * random.uniform(0.5, 1.5)
            try:
                return await self._once(texts, timeout)
            except _Again as exc:
                wait = max(wait, min(exc.after, 30.0))
                reason = exc.reason
            except (
                aiohttp.ClientError,
                TimeoutError,
                msgspec.DecodeError,
                ValueError,
            ) as exc:
                reason = type(exc).__name__
            if attempt + 1 < attempts:
                await asyncio.sleep(wait)
        raise EmbeddingFailed(f"The embeddings server did not answer as expected ({reason}).")

    async def _once(self, texts: list[str], timeout: aiohttp.ClientTimeout) -> list[Vector]:
        body = {"model": self._name, "input": texts, "encoding_format": "float"}
        session = self._open()
        async with session.post(
            self._url, json=body, headers=self._headers, timeout=timeout
        ) as response:
            if response.status == 429 or response.status >= 500:
                raise _Again(f"HTTP {response.status}", response.headers.get("retry-after"))
            if response.status >= 400:
                raise EmbeddingFailed(
                    f"The embeddings server refused the request (HTTP {response.status}); "
                    "check its URL, model and key."
                )
            raw = await response.content.read(LARGEST_ANSWER)
            while not response.content.at_eof():
                raw += await response.content.read(LARGEST_ANSWER)
                if len(raw) > LARGEST_ANSWER:
                    raise ValueError("answer too large")
        return self._vectors(raw, len(texts))

    def _vectors(self, raw: bytes, count: int) -> list[Vector]:
        items = sorted(msgspec.json.decode(raw, type=_Answer).data, key=lambda item: item.index)
        rows = np.array([_numbers(item.embedding) for item in items], dtype=np.float32)
        if rows.ndim != 2 or len(rows) != count or not np.isfinite(rows).all():
            raise ValueError("not one vector a text")
        if self.dimensions and rows.shape[1] != self.dimensions:
            raise EmbeddingFailed(
                f"The embeddings server answers {rows.shape[1]} dimensions "
                f"where {self.dimensions} were expected."
            )
        return normalised(rows)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(trust_env=False)
        return self._session


class _Again(Exception):
    def __init__(self, reason: str, after: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = float(after) if after and after.replace(".", "", 1).isdigit() else 0.0


def _numbers(embedding: Any) -> Any:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return embedding

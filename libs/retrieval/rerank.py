"""An optional second look at the best passages, behind a port."""

from typing import Protocol

from libs.retrieval.reader import Hit

TIMEOUT = 2.0  # seconds


class Reranker(Protocol):
    """Orders hits by reading question and passage together; returns as many as it was given.

    It has `TIMEOUT`; when it fails or is late the order stays as it was.
    """

    async def rerank(
        self, query: str, ranked: list[tuple[float, Hit]]
    ) -> list[tuple[float, Hit]]: ...

"""Searching: one function, one filter, one verdict.

A question goes to both sides of the store in one round trip, the lists are fused, neighbours
of one item are merged, and the floor says whether a bot should answer from what was found.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from libs.common.telemetry import log
from libs.retrieval import rerank, terms
from libs.retrieval.collection import VectorSettings
from libs.retrieval.embed import EmbedderSettings
from libs.retrieval.embedders import Embedded, QueryEmbedders, Vectors
from libs.retrieval.floor import Evidence, Floor, Verdict
from libs.retrieval.followup import leans
from libs.retrieval.fusion import fuse
from libs.retrieval.merge import merge
from libs.retrieval.passages import Passages
from libs.retrieval.reader import Found, Hit, VectorReader
from libs.retrieval.terms import query_terms

LONGEST_QUERY = 2000  # characters
LONGEST_EARLIER = 500  # characters of an earlier question
FOLLOW_UP_MARGIN = 0.1  # what a completed question must add in confidence to be preferred
RERANKED = 20  # passages given to a reranker

Ranked = list[tuple[float, Hit]]


class RetrievalSettings(EmbedderSettings, VectorSettings):
    """Mixed into the settings of a service that searches."""


class Retriever:
    """Finds passages of one chatbot. Shared by the answers and by the retrieval playground."""

    def __init__(
        self,
        store: VectorReader,
        embedders: QueryEmbedders,
        reranker: rerank.Reranker | None = None,
    ) -> None:
        self.store = store
        self._embedders = embedders
        self._floor = Floor()
        self._reranker = reranker

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: RetrievalSettings, reranker: rerank.Reranker | None = None
    ) -> AsyncIterator["Retriever"]:
        """With a client and embedders of its own."""
        async with (
            VectorReader.open(settings) as store,
            QueryEmbedders.open(settings) as embedders,
        ):
            yield cls(store, embedders, reranker)

    async def ready(self) -> None:
        """Raise unless the store answers."""
        await self.store.ready()

    async def warm(self) -> bool:
        """Load the embedder before the first question; False while there is no collection."""
        await terms.load()
        live = await self.store.live()
        if live is None:
            return False
        await self._embedders.get(live)
        return True

    async def vectors(self, texts: list[str]) -> Vectors | None:
        """Questions as unit vectors that can be compared with each other; None without embedder."""
        live = await self.store.live()
        return await self._embedders.centred(live, texts) if live is not None else None

    async def relate(self, question: str, texts: Sequence[str]) -> list[float] | None:
        """How near texts are to a question by meaning, -1 to 1; None without embedder."""
        live = await self.store.live()
        return await self._embedders.relate(live, question, texts) if live is not None else None

    async def search(
        self,
        account: str,
        chatbot: str,
        query: str,
        *,
        limit: int = 5,
        history: Sequence[str] = (),
        language: str = "",
    ) -> Passages:
        """The best passages for a question, and whether they answer it.

        ``history`` are the visitor's earlier questions, oldest first: one that leans on them
        ("and for two?") is also tried completed by the last. ``language`` is a hint. Raises
        `VectorStoreAway`; an embedder that is away only degrades.
        """
        query = query.strip()[:LONGEST_QUERY]
        live = await self.store.live()
        if live is None or not query:
            return Passages(passages=[], answerable=False, confidence=0.0, query=query)
        await terms.load()
        forms = _forms(query, history, language)
        embedded = await asyncio.gather(*(self._embedders.embed(live, form) for form in forms))
        asked = [
            (known.vector if known else None, query_terms(form, language))
            for form, known in zip(forms, embedded, strict=True)
        ]
        found = await self.store.search(live, account, chatbot, asked)
        tries = [
            self._try(form, language, known, lists)
            for form, known, lists in zip(forms, embedded, found, strict=True)
        ]
        best = _preferred(tries)
        return Passages(
            passages=merge(await self._reranked(best), limit),
            answerable=best.verdict.answerable,
            confidence=round(best.verdict.confidence, 4),
            degraded=embedded[0] is None,
            query=best.query,
        )

    def _try(self, query: str, hint: str, known: Embedded | None, found: Found) -> "_Try":
        dense, sparse = _one_generation(found.dense, found.sparse)
        unembedded = found.unembedded
        near = known.near if known else None
        ranked = fuse(dense, sparse, near, unembedded=unembedded)
        packaged = known is not None and known.packaged
        if ranked and str(ranked[0][1].id) in unembedded:  # judged by its words, all there is
            dense, near = [], None
        evidence = Evidence(query, hint, ranked, dense, sparse, near, packaged)
        return _Try(query, ranked, self._floor.judge(evidence))

    async def _reranked(self, best: "_Try") -> Ranked:
        if self._reranker is None or not best.ranked:
            return best.ranked
        head, rest = best.ranked[:RERANKED], best.ranked[RERANKED:]
        try:
            async with asyncio.timeout(rerank.TIMEOUT):
                return await self._reranker.rerank(best.query, head) + rest
        except Exception as exc:
            log.warning("not_reranked", error=type(exc).__name__, reason=str(exc))
            return best.ranked


class _Try(msgspec.Struct, frozen=True):
    """One form of the question with what it found."""

    query: str
    ranked: Ranked
    verdict: Verdict


def _preferred(tries: Sequence[_Try]) -> _Try:
    """The question as asked, unless completed it is clearly better supported."""
    best = tries[0]
    for other in tries[1:]:
        if other.verdict.confidence > best.verdict.confidence + FOLLOW_UP_MARGIN:
            best = other
    return best


def _one_generation(dense: list[Hit], sparse: list[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Of an item that was replaced between two reads, the new version alone."""
    live: dict[str, int] = {}
    for hit in [*dense, *sparse]:
        payload = hit.payload or {}
        item, generation = payload["item"], payload["generation"]
        live[item] = max(live.get(item, generation), generation)

    def keep(hits: list[Hit]) -> list[Hit]:
        return [h for h in hits if h.payload and live[h.payload["item"]] == h.payload["generation"]]

    return keep(dense), keep(sparse)


def _forms(query: str, history: Sequence[str], language: str) -> list[str]:
    """The question as asked and, where it leans on an earlier one, completed by it."""
    earlier = [text.strip()[:LONGEST_EARLIER] for text in history if text.strip()]
    if not earlier or not leans(query, language):
        return [query]
    return [query, f"{earlier[-1]} {query}"]

"""The one search: its reranker behind a port, and the collection it reads, as Qdrant is to make it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from libs.retrieval import rerank
from libs.retrieval.embed.packaged import PackagedEmbedder
from libs.retrieval.floor import fitted
from libs.retrieval.passages import StoredPassage
from libs.retrieval.search import RetrievalSettings, Retriever
from libs.retrieval.terms import passage_terms
from libs.retrieval.vectors import NewPoint, VectorStore
from tests.conftest import Servers

TEXTS = ("We open at nine.", "We close at six.", "Dogs are welcome.")


@pytest.fixture
def settings(servers: Servers) -> RetrievalSettings:
    fitted()  # read as a service reads it: before it serves
    return RetrievalSettings(
        QDRANT_URL=servers.qdrant_url,
        collection=f"t{uuid.uuid4().hex[:12]}",
        vector_quantization="scalar",
        vector_on_disk=True,
    )


@pytest.fixture
async def retriever(settings: RetrievalSettings) -> AsyncIterator[Retriever]:
    async with VectorStore.open(settings) as store, Retriever.open(settings) as found:
        live = await store.ensure(PackagedEmbedder.model, PackagedEmbedder.dimensions)
        embedder = PackagedEmbedder()
        vectors = await embedder.embed_passages(list(TEXTS))
        await embedder.close()
        points = [
            NewPoint(
                StoredPassage(
                    account="acc_a", chatbot="bot_a", item=f"kn_{number}", generation=1, ordinal=0,
                    state="live", kind="text", text=text, title="",
                ),
                passage_terms(text, "en"),
                vector,
            )
            for number, (text, vector) in enumerate(zip(TEXTS, vectors, strict=True))
        ]  # fmt: skip
        await store.write(live, points)
        yield found


class Turned:
    async def rerank(self, query: str, ranked: list[Any]) -> list[Any]:
        return ranked[::-1]


class Broken:
    async def rerank(self, query: str, ranked: list[Any]) -> list[Any]:
        raise RuntimeError("no model")


class Late:
    async def rerank(self, query: str, ranked: list[Any]) -> list[Any]:
        await asyncio.sleep(60)
        return ranked


@pytest.mark.usefixtures("retriever")
async def test_a_reranker_orders_what_was_found_and_costs_nothing_when_it_fails(
    settings: RetrievalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerank, "TIMEOUT", 0.1)

    async def order(reranker: rerank.Reranker | None) -> list[str]:
        async with Retriever.open(settings, reranker) as asked:
            found = await asked.search("acc_a", "bot_a", "When do you open?")
        return [passage.text for passage in found.passages]

    plain = await order(None)
    assert plain[0] == TEXTS[0]
    assert await order(Turned()) == plain[::-1]
    assert await order(Broken()) == plain
    assert await order(Late()) == plain


async def test_a_collection_is_made_for_many_tenants(
    settings: RetrievalSettings, retriever: Retriever
) -> None:
    live = await retriever.store.live()
    assert live is not None
    client = AsyncQdrantClient(url=settings.qdrant_url, check_compatibility=False)
    made = await client.get_collection(live.name)
    await client.close()
    config = made.config
    assert (config.hnsw_config.m, config.hnsw_config.payload_m) == (0, 16)
    assert config.params.on_disk_payload
    dense = config.params.vectors["dense"]  # type: ignore[index]
    assert (dense.size, dense.on_disk) == (384, True)
    assert dense.quantization_config.scalar.always_ram  # type: ignore[union-attr]
    assert config.params.sparse_vectors["terms"].modifier == "idf"  # type: ignore[index]
    assert made.payload_schema["chatbot"].params.is_tenant  # type: ignore[union-attr]
    assert {"account", "item", "state"} < set(made.payload_schema)

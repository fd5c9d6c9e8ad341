"""Embedders behind their port: questions before batches, and a server that is not always well."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from libs.retrieval.embed import EmbeddingFailed
from libs.retrieval.embed.http import BATCH, CONCURRENCY, HttpEmbedder
from libs.retrieval.embed.packaged import PackagedEmbedder
from tests.serving import serving

TEXT = "The lift of this hall is out of order, and nobody knows until when it will be. " * 10


class Server:
    """Any OpenAI-compatible server; ``refusals`` are statuses to answer with first."""

    def __init__(self) -> None:
        self.url = ""
        self.refusals: list[int] = []
        self.sizes: list[int] = []
        self.at_once = self.most = 0
        self.key = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.key = request.headers.get("authorization", "")
        if self.refusals:
            return web.Response(status=self.refusals.pop(0), headers={"retry-after": "0"})
        texts = (await request.json())["input"]
        self.sizes.append(len(texts))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.02)
        self.at_once -= 1
        rows: list[dict[str, Any]] = [
            {"index": number, "embedding": [float(len(text)), 1.0]}
            for number, text in enumerate(texts)
        ]
        return web.json_response({"data": rows[::-1]})  # the index tells the order


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application()
    app.router.add_post("/v1/embeddings", found.answer)
    async with serving(app) as found.url:
        yield found


@pytest.fixture
async def embedder(server: Server) -> AsyncIterator[HttpEmbedder]:
    made = HttpEmbedder(server.url, "some-model", "secret")
    await made.load()
    yield made
    await made.close()


async def test_passages_go_in_bounded_batches_and_come_back_in_order(
    server: Server, embedder: HttpEmbedder
) -> None:
    assert (embedder.model, embedder.dimensions) == ("http:some-model", 2)
    texts = ["x" * n for n in range(1, 6 * BATCH)]
    found = np.vstack(await embedder.embed_passages(texts))
    assert np.allclose(found[:, 0] / found[:, 1], range(1, 6 * BATCH), rtol=1e-4)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0)
    assert max(server.sizes) == BATCH
    assert 1 < server.most <= CONCURRENCY
    assert server.key == "Bearer secret"


async def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    server: Server, embedder: HttpEmbedder
) -> None:
    server.refusals = [429, 503]
    assert len(await embedder.embed_passages(["a"])) == 1
    server.refusals = [401, 500]
    with pytest.raises(EmbeddingFailed, match="401"):
        await embedder.embed_passages(["a"])
    assert server.refusals == [500]


async def test_a_question_does_not_wait_behind_a_batch_of_passages() -> None:
    embedder = PackagedEmbedder()
    await embedder.load()
    batch = asyncio.create_task(embedder.embed_passages([f"{n} {TEXT}" for n in range(12)]))
    await asyncio.sleep(0.1)
    await embedder.embed_queries(["When is the lift repaired?"])
    assert not batch.done()
    assert len(await batch) == 12
    await embedder.close()

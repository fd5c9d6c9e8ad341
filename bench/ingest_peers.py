"""The other ends of the ingest benchmark, each in a process of its own.

``embeddings`` answers ``/v1/embeddings`` with hashed words, fast, so that no embedder is what is
measured; ``bare`` extracts, cuts and embeds files one after another with the service's own
functions and settings, and keeps nothing: the floor. ``llama-index`` and ``haystack`` read the same files with
the same embedder into their own memory (``python -m bench.chat_peers`` installs them).
Each prints what it made, and the seconds that took.
"""

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

DIMENSIONS = 384
TOKENS = 300  # of a peer's chunk: about as long as ours
MODEL = "hashed"


def embeddings(port: int) -> None:
    import base64
    from zlib import crc32

    import numpy as np
    from aiohttp import web

    def numbers(text: str) -> np.ndarray:
        hashes = np.fromiter((crc32(word.encode()) for word in text.split()), np.int64)
        found = np.bincount(hashes % DIMENSIONS, minlength=DIMENSIONS).astype("<f4")
        return found / (np.linalg.norm(found) or 1.0)

    async def answer(request: web.Request) -> web.Response:
        wanted = await request.json()
        texts = [wanted["input"]] if isinstance(wanted["input"], str) else wanted["input"]
        rows = [numbers(text) for text in texts]
        if wanted.get("encoding_format") == "base64":
            told: list[object] = [base64.b64encode(row.tobytes()).decode() for row in rows]
        else:
            told = [[round(float(n), 4) for n in row] for row in rows]
        data = [{"object": "embedding", "index": n, "embedding": e} for n, e in enumerate(told)]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return web.json_response({"data": data, "model": MODEL, "object": "list", "usage": usage})

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/embeddings", answer)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


async def bare(folder: Path) -> None:
    from libs.retrieval.embed import EmbedderSettings, open_embedder
    from services.ingest.documents import from_extracted
    from services.ingest.extract import office
    from services.ingest.extract.charset import decode

    office.warm()
    async with open_embedder(EmbedderSettings()) as embedder:
        await embedder.embed_passages(["ready"])
        made, started = 0, time.perf_counter()
        for path in sorted(folder.iterdir()):
            read = office.extract_markdown(decode(path.read_bytes(), None), path.stem)
            document = await from_extracted(read, read.title, embedder)
            texts = [chunk.indexed(document.title) for chunk in document.chunks]
            await embedder.embed_passages(texts)
            made += len(document.chunks)
        _told(made, started)


def llama_index(url: str, folder: Path) -> None:
    from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import MarkdownNodeParser, SentenceSplitter
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    embedder = OpenAILikeEmbedding(
        model_name=MODEL, api_base=url, api_key="bench", embed_batch_size=32
    )
    embedder.get_text_embedding("ready")
    splitter = SentenceSplitter(chunk_size=TOKENS, chunk_overlap=0)
    splitter.split_text("ready")
    started = time.perf_counter()
    documents = SimpleDirectoryReader(str(folder)).load_data()
    pipeline = IngestionPipeline(transformations=[MarkdownNodeParser(), splitter, embedder])
    nodes = pipeline.run(documents=documents)
    VectorStoreIndex(nodes, embed_model=embedder)
    _told(len(nodes), started)


def haystack(url: str, folder: Path) -> None:
    from haystack import Pipeline
    from haystack.components.converters import TextFileToDocument
    from haystack.components.embedders import OpenAIDocumentEmbedder
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    store = InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("read", TextFileToDocument())
    words = int(TOKENS * 0.75)
    pipeline.add_component("cut", DocumentSplitter(split_by="word", split_length=words))
    pipeline.add_component(
        "embed", OpenAIDocumentEmbedder(model=MODEL, api_base_url=url, progress_bar=False)
    )
    pipeline.add_component("write", DocumentWriter(store))
    for one, next_ in (("read", "cut"), ("cut", "embed"), ("embed", "write")):
        pipeline.connect(f"{one}.documents", f"{next_}.documents")
    pipeline.warm_up()
    started = time.perf_counter()
    made = pipeline.run({"read": {"sources": sorted(folder.iterdir())}})
    _told(made["write"]["documents_written"], started)


def _told(chunks: int, started: float) -> None:
    print(json.dumps({"chunks": chunks, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    os.environ |= {"OPENAI_API_KEY": "bench", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    logging.getLogger("httpx").setLevel(logging.WARNING)
    what, *rest = sys.argv[1:]
    if what == "embeddings":
        embeddings(int(rest[0]))
    elif what == "bare":
        asyncio.run(bare(Path(rest[0])))
    else:
        {"llama-index": llama_index, "haystack": haystack}[what](rest[0], Path(rest[1]))

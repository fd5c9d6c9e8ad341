"""The peers of the chat benchmark: haystack behind hayhooks, told to do the same work.

``python -m bench.chat_peers`` installs them into ``.peers`` (a minute); ``python -m bench chat``
measures beside them where they are installed. One finds the same passage by BM25 in its own memory,
the other by vectors: in Qdrant's own in-memory mode, the question embedded by a server that hashes
its words. Both have the same scripted model write; they keep nothing, count nothing and ask for no key.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import ingest_peers
from deploy.local.programs import Program, stop
from deploy.local.servers import ROOT, free_port, listening

PEERS = ROOT / ".peers"
PACKAGES = (
    *("haystack-ai==3.4.1", "hayhooks==2.1.0", "anthropic-haystack==8.0.1"),
    "qdrant-haystack==13.1.0",
    *("llama-index-core==0.14.25", "llama-index-embeddings-openai-like==0.4.0"),  # of `ingest`
)
HEAD = '''
from haystack import Document, Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack.dataclasses import ChatMessage
from haystack_integrations.components.generators.anthropic import AnthropicChatGenerator
from hayhooks import BasePipelineWrapper, async_streaming_generator, get_last_user_message

DOCUMENTS = [Document(content=ANSWER), Document(content="Something else.")]
PROMPT = """{% for passage in documents %}<passage number="{{ loop.index }}" title="x">
{{ passage.content }}
</passage>
{% endfor %}
{{ question }}"""

'''
BM25 = """
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

ASKED = "retriever", "query"

def add_retriever(pipeline):
    store = InMemoryDocumentStore()
    store.write_documents(DOCUMENTS)
    pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=6))

"""
QDRANT = """
import asyncio

from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.utils import Secret
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

ASKED = "embedder", "text"
SERVER = {"model": MODEL, "api_base_url": EMBEDDINGS, "api_key": Secret.from_token("bench")}

def add_retriever(pipeline):
    store = QdrantDocumentStore(":memory:", embedding_dim=DIMENSIONS, recreate_index=True)
    embedder = OpenAIDocumentEmbedder(**SERVER, progress_bar=False)
    # What is written through its other client, this one does not see in memory.
    asyncio.run(store.write_documents_async(embedder.run(DOCUMENTS)["documents"]))
    pipeline.add_component("embedder", OpenAITextEmbedder(**SERVER))
    pipeline.add_component("retriever", QdrantEmbeddingRetriever(store, top_k=6))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")

"""
WRAPPER = """
class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        add_retriever(self.pipeline)
        self.pipeline.add_component(
            "prompt", ChatPromptBuilder([ChatMessage.from_user(PROMPT)], required_variables="*")
        )
        self.pipeline.add_component("llm", AnthropicChatGenerator(model="bench"))
        self.pipeline.connect("retriever.documents", "prompt.documents")
        self.pipeline.connect("prompt.prompt", "llm.messages")

    async def run_chat_completion_async(self, model, messages, body):
        question = get_last_user_message(messages)
        component, what = ASKED
        return async_streaming_generator(
            pipeline=self.pipeline,
            pipeline_run_args={component: {what: question}, "prompt": {"question": question}},
        )
"""
PIPELINES = {"hayhooks, BM25": BM25, "hayhooks, Qdrant": QDRANT}


def installed() -> bool:
    return (PEERS / "bin" / "hayhooks").exists()


@contextmanager
def hayhooks(folder: Path, model: str, answer: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The base URL of a running hayhooks, and its pipelines: what to call each → its model."""
    port, embeddings = free_port(), free_port()
    about = {
        "ANSWER": answer,
        "MODEL": ingest_peers.MODEL,
        "DIMENSIONS": ingest_peers.DIMENSIONS,
        "EMBEDDINGS": f"http://127.0.0.1:{embeddings}/v1",
    }
    known = "".join(f"{name} = {json.dumps(value)}\n" for name, value in about.items())
    models = {title: f"answers{number}" for number, title in enumerate(PIPELINES)}
    for title, name in models.items():
        wrapper = folder / "pipelines" / name / "pipeline_wrapper.py"
        wrapper.parent.mkdir(parents=True)
        wrapper.write_text(known + HEAD + PIPELINES[title] + WRAPPER)
    server = Program(
        "embeddings",
        [sys.executable, "-m", "bench.ingest_peers", "embeddings", str(embeddings)],
        folder / "embeddings.log",
        ready=lambda: listening(embeddings),
        cwd=ROOT,
    )
    argv = [str(PEERS / "bin" / "hayhooks"), "run", "--host", "127.0.0.1", "--port", str(port)]
    peer = Program(
        "hayhooks",
        [*argv, "--pipelines-dir", str(folder / "pipelines")],
        folder / "hayhooks.log",
        ready=lambda: listening(port),
        env={
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": model,
            "HAYSTACK_TELEMETRY_ENABLED": "False",
            "PATH": f"{PEERS / 'bin'}:{os.environ['PATH']}",
        },
        cwd=folder,
    )
    with ExitStack() as stack:
        for program in (server, peer):
            process = program.start()
            stack.callback(stop, process, program.stop_signal, 5.0)
            while not program.ready():
                if process.poll() is not None:
                    raise RuntimeError(f"{program.name} ended: {program.log.read_text()[-2000:]}")
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", models


def install() -> None:
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    pip = [str(PEERS / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *PACKAGES], check=True)


if __name__ == "__main__":
    install()

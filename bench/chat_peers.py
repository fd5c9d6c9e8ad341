"""The peer of the chat benchmark: haystack behind hayhooks, told to do the same work.

``python -m bench.chat_peers`` installs it into ``.peers`` (a minute); ``python -m bench chat``
measures beside it where it is installed. It finds the same passage by BM25 in its own memory and
has the same scripted model write; it keeps nothing, counts nothing and asks for no key.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.programs import Program, stop
from deploy.local.servers import ROOT, free_port, listening

PEERS = ROOT / ".peers"
PACKAGES = (
    *("haystack-ai==3.4.1", "hayhooks==2.1.0", "anthropic-haystack==8.0.1"),
    *("llama-index-core==0.14.25", "llama-index-embeddings-openai-like==0.4.0"),  # of `ingest`
)
PIPELINE = '''
from haystack import Document, Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.generators.anthropic import AnthropicChatGenerator
from hayhooks import BasePipelineWrapper, async_streaming_generator, get_last_user_message

PROMPT = """{% for passage in documents %}<passage number="{{ loop.index }}" title="x">
{{ passage.content }}
</passage>
{% endfor %}
{{ question }}"""


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        store = InMemoryDocumentStore()
        store.write_documents([Document(content=ANSWER), Document(content="Something else.")])
        self.pipeline = Pipeline()
        self.pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=6))
        self.pipeline.add_component(
            "prompt", ChatPromptBuilder([ChatMessage.from_user(PROMPT)], required_variables="*")
        )
        self.pipeline.add_component("llm", AnthropicChatGenerator(model="bench"))
        self.pipeline.connect("retriever.documents", "prompt.documents")
        self.pipeline.connect("prompt.prompt", "llm.messages")

    async def run_chat_completion_async(self, model, messages, body):
        question = get_last_user_message(messages)
        return async_streaming_generator(
            pipeline=self.pipeline,
            pipeline_run_args={"retriever": {"query": question}, "prompt": {"question": question}},
        )
'''


def installed() -> bool:
    return (PEERS / "bin" / "hayhooks").exists()


@contextmanager
def hayhooks(folder: Path, model: str, answer: str) -> Iterator[str]:
    """The base URL of a running hayhooks whose one pipeline is called ``answers``."""
    wrapper = folder / "pipelines" / "answers" / "pipeline_wrapper.py"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(f"ANSWER = {json.dumps(answer)}\n{PIPELINE}")
    port = free_port()
    argv = [str(PEERS / "bin" / "hayhooks"), "run", "--host", "127.0.0.1", "--port", str(port)]
    program = Program(
        "hayhooks",
        [*argv, "--pipelines-dir", str(wrapper.parent.parent)],
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
    process = program.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process, program.stop_signal, 5.0)


def install() -> None:
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    pip = [str(PEERS / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, *PACKAGES], check=True)


if __name__ == "__main__":
    install()

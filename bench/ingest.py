"""Ingest: files in through the API until they are found by words and by meaning.

Beside it: extraction, cutting and embedding called bare in one process on the same files, with
the same embedder and as many threads. First with the packaged embedder, the default, on some
files. Then with a server of embeddings so fast that it is not what is measured: what is left is
what the pipeline itself costs, beside the bare calls, and beside what llama-index and haystack
take for the same files where they are installed (``python -m bench.chat_peers``).
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bench.chat_peers import PEERS
from bench.harness import Report, Row
from bench.product import Product, running
from deploy.local.servers import ROOT, free_port, listening

FILES = int(os.environ.get("CHATTERY_BENCH_FILES", "60"))
PACKAGED = int(os.environ.get("CHATTERY_BENCH_PACKAGED_FILES", "10"))  # some 250 passages
THREADS = str(max(1, (os.cpu_count() or 2) - 1))  # that embed passages: the service's default
A_REQUEST = 20  # files
LOOK = 0.25  # seconds between two looks: a look costs the product as well
WARM = 6  # files before it counts
SECTIONS, SENTENCES = 12, 14
DONE_TIMEOUT = 240.0  # seconds
WORDS = [
    f"{a}{b}"
    for a in ("har", "sil", "eng", "val", "cop", "mar", "ton", "bel", "dor", "fen")
    for b in ("vest", "ver", "ine", "ley", "per", "ow", "est", "ard", "ing", "mouth")
]


async def measure(report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="chattery-bench-") as made:
        some, all_ = _files(Path(made) / "some", PACKAGED), _files(Path(made) / "all", FILES)
        await _beside_bare(report, some, "packaged embedder", "≥ 0.85", {})
        async with _embeddings() as url:
            fast = {
                "CHATTERY_EMBEDDER": "http",
                "CHATTERY_EMBEDDINGS_URL": url,
                "CHATTERY_EMBEDDINGS_MODEL": "hashed",
            }
            ours = await _beside_bare(report, all_, "embedding for nothing", "", fast)
            for peer in ("llama-index", "haystack"):
                await _peer(report, peer, url, all_, ours)


async def _beside_bare(
    report: Report, folder: Path, name: str, goal: str, environ: dict[str, str]
) -> dict[str, float]:
    environ = {"CHATTERY_EMBED_THREADS": THREADS, **environ}
    bare = await _run(sys.executable, "bare", str(folder), **environ)
    async with running(**environ) as product:
        ours = await _ours(product, folder)
    rates = [made["chunks"] / made["seconds"] for made in (ours, bare)]
    report.add(Row("ingest", f"chunks, {name}", rates[0], "1/s", rates[1], "called bare", goal))
    files = len(list(folder.iterdir()))
    report.add(Row("ingest", f"{files} files found by words after", ours["words"], "s"))
    return ours


def _files(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"page-{number:03}.md").write_text(_page(random.Random(number)))
    return folder


async def _peer(report: Report, peer: str, url: str, folder: Path, ours: dict[str, float]) -> None:
    python = PEERS / "bin" / "python"
    if not python.exists():
        report.say(f"  {peer} is not installed; python -m bench.chat_peers installs it.")
        return
    theirs = await _run(str(python), peer, url, str(folder))
    report.add(
        Row("ingest", f"files (beside {theirs['chunks']:.0f} chunks)", FILES / ours["seconds"],
            "1/s", FILES / theirs["seconds"], peer)
    )  # fmt: skip


async def _ours(product: Product, folder: Path) -> dict[str, float]:
    about = {"name": "Bench", "website": "https://bench.example"}
    chatbot = (await product.call("POST", "/api/chatbots", about))["id"]
    await _warm(product, chatbot)
    paths = sorted(folder.iterdir())
    started = time.perf_counter()
    for start in range(0, len(paths), A_REQUEST):
        await _upload(product, chatbot, paths[start : start + A_REQUEST])
    words, end = 0.0, started + DONE_TIMEOUT
    while time.perf_counter() < end:
        items = await _items(product, chatbot)
        if not words and len(items) == len(paths) and all(i["status"] == "ready" for i in items):
            words = time.perf_counter() - started
        if words and all(item["semantic"] == "done" for item in items):
            chunks = sum(item["chunks"] for item in items)
            return {"chunks": chunks, "seconds": time.perf_counter() - started, "words": words}
        await asyncio.sleep(LOOK)
    raise RuntimeError(f"Not all files were indexed within {DONE_TIMEOUT:.0f} seconds.")


async def _warm(product: Product, chatbot: str) -> None:
    """Each child loads its libraries once; the bare run has them loaded as well."""
    pages = [(f"{n}.md", _page(random.Random(-1 - n), sections=1).encode()) for n in range(WARM)]
    await _upload(product, chatbot, pages)
    while not all(item["semantic"] == "done" for item in await _items(product, chatbot)):
        await asyncio.sleep(0.1)
    for item in await _items(product, chatbot):
        await product.call("DELETE", f"/api/knowledge/{item['id']}")


async def _upload(product: Product, chatbot: str, files: list[Any]) -> None:
    form = aiohttp.FormData()
    form.add_field("chatbotId", chatbot)
    for file in files:
        name, data = file if isinstance(file, tuple) else (file.name, file.read_bytes())
        form.add_field("file", data, filename=name)
    await product.send("POST", "/api/knowledge/upload", form)


async def _items(product: Product, chatbot: str) -> list[dict[str, Any]]:
    page = await product.call("GET", "/api/knowledge", chatbotId=chatbot, limit="100")
    return page["data"]


@asynccontextmanager
async def _embeddings() -> AsyncIterator[str]:
    port = free_port()
    argv = (sys.executable, "-m", "bench.ingest_peers", "embeddings", str(port))
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT)
    try:
        while not listening(port):
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        await process.wait()


async def _run(python: str, *what: str, **environ: str) -> dict[str, float]:
    """What one of the other ends tells of itself."""
    process = await asyncio.create_subprocess_exec(
        *(python, str(ROOT / "bench" / "ingest_peers.py"), *what),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{what[0]} ended with {process.returncode}.")
    return json.loads(output.splitlines()[-1])


def _page(rng: random.Random, sections: int = SECTIONS) -> str:
    def sentence() -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(8, 18))).capitalize() + "."

    def section() -> str:
        text = " ".join(sentence() for _ in range(SENTENCES))
        return f"## {' '.join(rng.choices(WORDS, k=3)).title()}\n\n{text}\n"

    title = " ".join(rng.choices(WORDS, k=3)).title()
    return f"# {title}\n\n" + "\n".join(section() for _ in range(sections))

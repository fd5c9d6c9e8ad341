"""Ingest: files in through the API until they are found by words and by meaning.

Beside it: extraction, cutting and embedding called bare in one process, and what llama-index and
haystack take for the same files where they are installed (``python -m bench.chat_peers``). All
use the same embeddings server, one so fast that it is not what is measured.
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
        folder = Path(made) / "files"
        folder.mkdir()
        for number in range(FILES):
            (folder / f"page-{number:03}.md").write_text(_page(random.Random(number)))
        async with _embeddings() as url:
            bare = await _run(sys.executable, "bare", url, folder)
            async with running(
                CHATTERY_EMBEDDER="http",
                CHATTERY_EMBEDDINGS_URL=url,
                CHATTERY_EMBEDDINGS_MODEL="hashed",
            ) as product:
                ours = await _ours(product, folder)
            _rows(report, ours, bare)
            for peer in ("llama-index", "haystack"):
                await _peer(report, peer, url, folder, ours)


def _rows(report: Report, ours: dict[str, float], bare: dict[str, float]) -> None:
    rates = {name: it["chunks"] / it["seconds"] for name, it in (("ours", ours), ("bare", bare))}
    report.add(
        Row("ingest", "chunks", rates["ours"], "1/s", rates["bare"], "called bare", "≥ 0.85")
    )
    report.add(Row("ingest", f"{FILES} files found by words after", ours["words"], "s"))


async def _peer(report: Report, peer: str, url: str, folder: Path, ours: dict[str, float]) -> None:
    python = PEERS / "bin" / "python"
    if not python.exists():
        report.say(f"  {peer} is not installed; python -m bench.chat_peers installs it.")
        return
    theirs = await _run(str(python), peer, url, folder)
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
        if not words and len(items) == FILES and all(i["status"] == "ready" for i in items):
            words = time.perf_counter() - started
        if words and all(item["semantic"] == "done" for item in items):
            chunks = sum(item["chunks"] for item in items)
            return {"chunks": chunks, "seconds": time.perf_counter() - started, "words": words}
        await asyncio.sleep(LOOK)
    raise RuntimeError(f"Not all files were indexed within {DONE_TIMEOUT:.0f} seconds.")


async def _warm(product: Product, chatbot: str) -> None:
    """Each child loads its libraries once; the bare run has them loaded as well."""
    pages = [(f"{n}.md", _page(random.Random(-1 - n)).encode()) for n in range(WARM)]
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


async def _run(python: str, what: str, url: str, folder: Path) -> dict[str, float]:
    """What one of the other ends tells of itself."""
    script = str(ROOT / "bench" / "ingest_peers.py")
    process = await asyncio.create_subprocess_exec(
        *(python, script, what, url, str(folder)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{what} ended with {process.returncode}.")
    return json.loads(output.splitlines()[-1])


def _page(rng: random.Random) -> str:
    def sentence() -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(8, 18))).capitalize() + "."

    def section() -> str:
        text = " ".join(sentence() for _ in range(SENTENCES))
        return f"## {' '.join(rng.choices(WORDS, k=3)).title()}\n\n{text}\n"

    title = " ".join(rng.choices(WORDS, k=3)).title()
    return f"# {title}\n\n" + "\n".join(section() for _ in range(SECTIONS))

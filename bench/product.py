"""The whole product for a measurement: `make run` in a folder of its own, reached through HTTP."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.servers import ROOT

START_TIMEOUT = 180.0  # seconds
STOP_TIMEOUT = 30.0  # seconds


class Product:
    """A running stack, and its API as an owner calls it."""

    def __init__(self, data: Path, session: aiohttp.ClientSession) -> None:
        self.dev: dict[str, Any] = json.loads((data / "dev.json").read_text())
        ports: dict[str, int] = json.loads((data / "ports.json").read_text())
        self.vectors_url = f"http://127.0.0.1:{ports['vectors']}"
        self._session = session

    @property
    def account(self) -> str:
        return self.dev["accountId"]

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """A decoded answer. Raises `RuntimeError` with the product's own words."""
        return await self._send(method, path, query, json=body)

    async def send(self, method: str, path: str, form: aiohttp.FormData) -> Any:
        """The same, of a form with files."""
        return await self._send(method, path, {}, data=form)

    async def _send(self, method: str, path: str, query: dict[str, str], **body: Any) -> Any:
        url, key = self.dev["baseUrl"] + path, self.dev["apiKey"]
        headers = {"authorization": f"Bearer {key}"}
        async with self._session.request(
            method, url, params=query, headers=headers, **body
        ) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
            return json.loads(text) if text else None


@asynccontextmanager
async def running(**environ: str) -> AsyncGenerator[Product]:
    """Started, and gone without a trace afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="chattery-bench-"))
    folder.chmod(0o755)  # a database that runs as another user has its data below
    data = folder / "data"
    own = {"CHATTERY_DATA": str(data), "CHATTERY_PORT": "0"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")}
    with (folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local", "run"),
            cwd=ROOT, env={**kept, **own, **environ}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        await _ready(process, data, folder / "output")
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Product(data, session)
    finally:
        await _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


async def _ready(process: asyncio.subprocess.Process, data: Path, output: Path) -> None:
    end = time.monotonic() + START_TIMEOUT
    while not (data / "dev.json").exists():
        if process.returncode is not None or time.monotonic() > end:
            raise RuntimeError(f"The stack did not start:\n{output.read_text()[-2000:]}")
        await asyncio.sleep(0.1)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

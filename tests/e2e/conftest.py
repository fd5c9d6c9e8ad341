"""Fixtures of the end-to-end tests: the real five processes, reached through HTTP alone."""

import io
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from docx import Document
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from deploy.local.programs import Program, stop
from deploy.local.servers import free_port, listening
from deploy.local.stack import answers_ok
from tests.conftest import ROOT, RunningStack, data_folder
from tests.e2e.client import Api, Receiver
from tests.e2e.proxies import PROXIES, running
from tests.serving import serving

FAQ = """<!doctype html><html lang="en"><head><title>Help: your account</title></head><body>
<nav><a href="/">Home</a> <a href="/faq">FAQ</a></nav>
<main><h1>Your account</h1>
<h2>Resetting your password</h2>
<p>You can reset your password by clicking the 'Forgot Password' link on the sign-in page. We send
you a mail with a link that works for thirty minutes.</p>
<h2>Closing your account</h2>
<p>You close your account under Settings, Account, Close. Your data is removed after 14 days.</p>
</main><footer>Example Ltd</footer></body></html>"""


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=90)) as opened:
        yield opened


@pytest.fixture
async def api(session: aiohttp.ClientSession, stack: RunningStack) -> Api:
    return Api(session, stack.base_url, stack.api_key)


@pytest.fixture(scope="module")
def slow_stack() -> Iterator[RunningStack]:
    """A second product, whose answers a slow model writes, word by word."""
    folder = data_folder()
    port = free_port()
    model = Program(
        "model",
        [sys.executable, "-m", "libs.common.testing.model", str(port), "0.1"],
        folder / "model.log",
        ready=lambda: listening(port),
        cwd=ROOT,
    )
    process = model.start()
    running = RunningStack(
        folder / "data",
        ANTHROPIC_API_KEY="test",
        ANTHROPIC_BASE_URL=f"http://127.0.0.1:{port}",
    )
    try:
        yield running.start()
    finally:
        running.stop()
        stop(process, model.stop_signal, 2.0)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def slow_api(session: aiohttp.ClientSession, slow_stack: RunningStack) -> Api:
    return Api(session, slow_stack.base_url, slow_stack.api_key)


@pytest.fixture(scope="module")
def behind(
    slow_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The base URL of the product behind each proxy."""
    bases: dict[str, str] = {}
    with ExitStack() as stack:
        for name, configured in PROXIES.items():
            folder = tmp_path_factory.mktemp(name)
            folder.chmod(0o777)  # nginx's workers are somebody else
            port = free_port()
            argv = configured(folder, port, slow_stack.base_url)
            log = folder / "out.log"
            stack.enter_context(
                running(Program(name, argv, log, ready=lambda port=port: listening(port)))
            )
            bases[name] = f"http://127.0.0.1:{port}"
        yield bases


@pytest.fixture(scope="module")
def replica(slow_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second gateway beside the first, told the same but where to listen."""
    raw = Path(f"/proc/{slow_stack.pids()['gateway']}/environ").read_bytes()
    told = dict(part.split("=", 1) for part in raw.decode().split("\0") if "=" in part)
    port, health = free_port(), free_port()
    program = Program(
        "gateway",
        [sys.executable, "-m", "services.gateway"],
        tmp_path_factory.mktemp("replica") / "gateway.log",
        ready=lambda: answers_ok(f"http://127.0.0.1:{health}/readyz"),
        env={**told, "CHATTERY_PORT": str(port), "CHATTERY_HEALTH_PORT": str(health)},
        cwd=Path(told["PYTHONPATH"]),
    )
    with running(program):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.open() as opened:
        yield opened


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A site of one page, on loopback; its base URL."""

    async def faq(_: web.Request) -> web.Response:
        return web.Response(text=FAQ, content_type="text/html")

    app = web.Application()
    app.router.add_get("/faq", faq)
    async with serving(app) as url:
        yield url


@pytest.fixture(scope="session")
def documents() -> dict[str, bytes]:
    """One document of each kind, each with a fact of its own."""
    return {
        "tents.pdf": _pdf(
            [
                "Tents. The Sparrow tent sleeps two.",
                "The Falcon tent has a warranty of seven years.",
            ]
        ),
        "kayaks.docx": _docx(),
        "workshop.md": b"# Workshop\n\n## Opening hours\n\nThe workshop is closed on Wednesday.\n",
        "rental.txt": "Bike rental\n\nThe deposit for a rental bike is 80 €.\n".encode("utf-16"),
    }


@pytest.fixture(scope="session")
def encrypted_pdf() -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, encrypt="secret")
    canvas.drawString(72, 720, "Nobody should read this.")
    canvas.save()
    return out.getvalue()


def _pdf(pages: list[str]) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    for text in pages:
        canvas.drawString(72, 720, text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _docx() -> bytes:
    document = Document()
    document.add_heading("Kayaks", 1)
    document.add_paragraph("All our kayaks are made in one piece.")
    table = document.add_table(rows=0, cols=2)
    for name, weight in (
        ("Model", "Weight"),
        ("Heron kayak", "19.5 kg"),
        ("Osprey kayak", "23 kg"),
    ):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = name, weight
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()

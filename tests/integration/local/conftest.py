"""A stack of real servers and stand-in services, as a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.local import standin

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120.0  # seconds for anything to happen on a busy machine


def until(happens: Callable[[], Any], what: str = "it") -> Any:
    """Wait for a true answer and give it back."""
    end = time.monotonic() + PATIENCE
    while not (answer := happens()):
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.05)
    return answer


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()


class Local:
    """One `python -m deploy.local run`."""

    def __init__(self, data: Path, **environ: str) -> None:
        self.data = data
        self.output = data.parent / f"{data.name}.out"
        self.environ = environ
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> "Local":
        """Start, without waiting."""
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith("CHATTERY_") and "_URL" not in k
        }
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, standin.__file__, "run"],
                cwd=ROOT,
                env={
                    **inherited,
                    "PYTHONPATH": str(ROOT),
                    "CHATTERY_PORT": "0",
                    "CHATTERY_DATA": str(self.data),
                    **self.environ,
                },
                stdout=output,
                stderr=output,
            )
        return self

    def start(self) -> "Local":
        self.launch()
        until(self._is_ready, "the start")
        return self

    def _is_ready(self) -> bool:
        assert self.running.poll() is None, self.said()
        return (self.data / "dev.json").exists()

    @property
    def running(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None
        return self.process

    def ended(self) -> tuple[int, str]:
        """The exit code and all that was said, once it ends by itself."""
        return self.running.wait(PATIENCE), self.said()

    def stop(self, number: int = signal.SIGINT) -> float:
        """Signal it and wait; how many seconds it took."""
        started = time.monotonic()
        if self.running.poll() is None:
            self.running.send_signal(number)
        self.running.wait(PATIENCE)
        return time.monotonic() - started

    def said(self) -> str:
        return self.output.read_text()

    @property
    def dev(self) -> dict[str, Any]:
        return json.loads((self.data / "dev.json").read_text())

    @property
    def pids(self) -> dict[str, int]:
        return self.dev["pids"]

    def kill(self, name: str) -> int:
        """SIGKILL one process; the pid of the one that takes its place."""
        before = self.pids[name]
        os.kill(before, signal.SIGKILL)
        return until(
            lambda: self.pids[name] != before and self.pids[name], f"the restart of {name}"
        )

    def secrets(self) -> dict[str, str]:
        return json.loads((self.data / "secrets.json").read_text())

    def ports(self) -> dict[str, int]:
        return json.loads((self.data / "ports.json").read_text())

    def environment_of(self, service: str) -> dict[str, str]:
        lines = (self.data / f"{service}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def postgres_url(self) -> str:
        port, password = self.ports()["postgres"], self.secrets()["postgres"]
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/chattery"

    def leftovers(self) -> list[str]:
        """Commands of processes that still work on this folder."""
        found: list[str] = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environ = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if command and f"CHATTERY_DATA={self.data}".encode() in environ:
                found.append(f"{entry.name} {command}")
        return found


@contextmanager
def _stacks() -> Iterator[Callable[..., Local]]:
    folder = Path(tempfile.mkdtemp(prefix="chattery-local-"))
    folder.chmod(0o755)
    made: list[Local] = []

    def one(name: str = "data", **environ: str) -> Local:
        local = Local(folder / name, **environ)
        made.append(local)
        return local

    yield one
    for local in made:
        if local.process is not None:
            try:
                local.stop()
            except subprocess.TimeoutExpired:
                local.process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make() -> Iterator[Callable[..., Local]]:
    """Makes a stack, not started yet: ``make("name", NATS_URL=…)``; all are ended afterwards."""
    with _stacks() as make:
        yield make


@pytest.fixture(scope="module")
def standing() -> Iterator[Local]:
    """A stack that was started, for tests after which it runs as before."""
    with _stacks() as make:
        yield make().start()

"""Real servers for the tests: started once, each on a free port, in a temporary folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from blockbuster import blockbuster_ctx

from deploy.local.programs import Program, stop
from deploy.local.stack import Stack as LocalStack
from libs.common.migrations import migrate

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT = 180.0  # seconds for a server, or a whole stack, on a busy machine
STOP_TIMEOUT = 15.0  # seconds
ROOM = 4 << 30  # bytes free in memory to keep the servers' data there

# The same examples each time, however long they take on a busy machine.
hypothesis.settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("steady")


# What is started once and shared: its tests stay in one process of `pytest -n`. Of two that fit,
# the first.
TOGETHER = {
    "the product": ("tests/browser/", "tests/e2e/"),
    "stacks": ("tests/integration/local/",),
    "servers": ("tests/integration/", "tests/k8s/"),
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as they are, but those that share something as one."""
    from xdist.scheduler import LoadScopeScheduling

    class Shared(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            found = (name for name, folders in TOGETHER.items() if file.startswith(folders))
            return next(found, file)

    return Shared(config, log)


@pytest.fixture(scope="session", autouse=True)
def nothing_blocks() -> Iterator[None]:
    """A call of ours that blocks the event loop raises where it is made."""
    follow = [f.__name__ for f in os.supports_follow_symlinks]
    with blockbuster_ctx(["libs", "services"]) as found:
        os.supports_follow_symlinks.update(getattr(os, name) for name in follow)  # for shutil
        for function in found.functions.values():
            function.can_block_in("/service.py", {"assemble", "build"})  # nothing is served yet
            function.can_block_in("common/blobs.py", {"_open"})  # the same: only at a start
            function.can_block_in("structlog/dev.py", {"__call__"})  # a traceback with its lines
            # Libraries of ours that look for their own version, once a connection.
            function.can_block_in("importlib/metadata/__init__.py", {"version"})
            function.can_block_in("zoneinfo/_tzpath.py", {"find_tzfile"})  # kept once read
            function.can_block_in("zoneinfo/_common.py", {"load_tzdata", "load_data"})
        yield


@dataclass
class Servers:
    """NATS, Valkey, Postgres and the vector server; each can be stopped and started by a test."""

    stack: LocalStack
    programs: dict[str, Program]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def nats_url(self) -> str:
        return self.stack.nats_url("admin")

    def nats_url_of(self, service: str) -> str:
        return self.stack.nats_url(service)

    @property
    def redis_url(self) -> str:
        return self.stack.redis_url()

    @property
    def qdrant_url(self) -> str:
        return self.stack.vectors_url()

    @property
    def admin_url(self) -> str:
        return self.stack.admin_database_url()

    def start(self, name: str) -> None:
        program = self.programs[name]
        program.prepare()
        process = self.processes[name] = program.start()
        end = time.monotonic() + START_TIMEOUT
        while not program.ready():
            assert process.poll() is None, f"{name} ended: {program.last_words(5)}"
            assert time.monotonic() < end, f"{name} was not ready in time: {program.last_words(5)}"
            time.sleep(0.02)

    def kill(self, name: str) -> None:
        """SIGKILL one server, as a crash would."""
        self.processes[name].kill()
        self.processes[name].wait(STOP_TIMEOUT)

    def stop(self) -> None:
        for name, process in self.processes.items():
            stop(process, self.programs[name].stop_signal, STOP_TIMEOUT)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    folder = data_folder()
    local = LocalStack(folder, 0, {})
    running = Servers(local, {program.name: program for program in local.servers()})
    try:
        for name in running.programs:
            running.start(name)
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def nats_url(servers: Servers) -> str:
    return servers.nats_url


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    return servers.redis_url


@pytest.fixture(scope="session")
def qdrant_url(servers: Servers) -> str:
    return servers.qdrant_url


@dataclass(frozen=True)
class TestDatabase:
    """A database of its own: as the service's role, and as the superuser."""

    __test__ = False

    url: str
    admin_url: str


@pytest.fixture(scope="session")
def templates(servers: Servers) -> dict[str, str]:
    """Databases that are migrated already, by schema; copied for each test."""
    return {}


@pytest.fixture
def database(
    servers: Servers, templates: dict[str, str]
) -> Iterator[Callable[[str], TestDatabase]]:
    """Makes a fresh database with one service's schema: ``database("chat")``.

    Connects as the role of that service, as the service itself would.
    """
    made: list[str] = []

    def make(service: str) -> TestDatabase:
        if service not in templates:
            templates[service] = _template(servers, service)
        name = f"t_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(servers.admin_url, autocommit=True) as admin:
            admin.execute(f'create database {name} template "{templates[service]}"')
        made.append(name)
        admin_url = servers.admin_url.rpartition("/")[0] + f"/{name}"
        url = f"postgresql://{service}:test@{admin_url.rpartition('@')[2]}"
        return TestDatabase(url, admin_url)

    yield make
    with psycopg.connect(servers.admin_url, autocommit=True) as admin:
        for name in made:
            admin.execute(f"drop database if exists {name} with (force)")


def _template(servers: Servers, service: str) -> str:
    import asyncio

    name = f"template_{service}"
    with psycopg.connect(servers.admin_url, autocommit=True) as admin:
        admin.execute(f'create database "{name}"')
    url = servers.admin_url.rpartition("/")[0] + f"/{name}"
    folder = ROOT / "services" / service / "migrations"
    runner = migrate(url, schema=service, folder=folder, role=service, password="test")
    # A loop of its own in a thread: the test's is running already.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, runner).result(START_TIMEOUT)
    return name


# -- the whole product -----------------------------------------------------------------------


class RunningStack:
    """The product as `make run` starts it: its supervisor is a process, `dev.json` says the rest."""

    def __init__(self, data: Path, **environ: str) -> None:
        self.data = data
        self.environ = environ
        self.output = data.parent / f"{data.name}.out"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RunningStack":
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local", "run"],
                cwd=ROOT,
                env={
                    **{k: v for k, v in os.environ.items() if not k.startswith("ANTHROPIC_")},
                    "CHATTERY_DATA": str(self.data),
                    "CHATTERY_PORT": "0",
                    # Each test comes from an address of its own, so that none limits another.
                    "CHATTERY_TRUSTED_PROXIES": "127.0.0.1/32",
                    **self.environ,
                },
                stdout=output,
                stderr=output,
            )
        end = time.monotonic() + START_TIMEOUT
        while not (self.data / "dev.json").exists():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def dev(self) -> dict[str, Any]:
        return json.loads((self.data / "dev.json").read_text())

    @property
    def base_url(self) -> str:
        return self.dev["baseUrl"]

    @property
    def api_key(self) -> str:
        return self.dev["apiKey"]

    def pids(self) -> dict[str, int]:
        return self.dev["pids"]


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """One whole product for all end-to-end tests: five processes on real servers.

    With CHATTERY_TEST_DATA it is one that runs already (`make run` with that CHATTERY_DATA and
    CHATTERY_TRUSTED_PROXIES=127.0.0.1/32), for whoever works on a test and does not want to wait.
    """
    if there := os.environ.get("CHATTERY_TEST_DATA"):
        yield RunningStack(Path(there))
        return
    folder = data_folder()
    running = RunningStack(folder / "data")
    try:
        yield running.start()
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def data_folder() -> Path:
    """A temporary folder that an unprivileged server may enter; in memory where there is room.

    Tests kill processes, not the machine: what was written is there afterwards in memory too,
    and no test waits for a disk that others keep busy.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="chattery-test-", dir=memory if roomy else None))
    folder.chmod(0o755)
    return folder

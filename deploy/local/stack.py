"""The stack as a list of programs: which servers are ours, and what each service is told."""

import http.client
import json
import os
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from deploy.local import secrets, servers
from deploy.local.programs import Program
from deploy.local.secrets import SERVICES
from deploy.local.servers import ROOT, SERVERS

EXTERNAL = {
    "nats": "NATS_URL",
    "redis": "REDIS_URL",
    "postgres": "DATABASE_URL",
    "vectors": "QDRANT_URL",
}
# Nothing of ours is on a private network on a developer's machine but the machine itself.
DEFAULT_ALLOW = "127.0.0.1/32"


class Stack:
    """Everything under one data folder."""

    def __init__(self, data: Path, port: int, environ: Mapping[str, str]) -> None:
        self.data = data
        self.environ = environ
        self.secrets = secrets.load(data)
        self.ports = _ports(data, port)
        self.base_url = f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    def external(self, server: str) -> str | None:
        return self.environ.get(EXTERNAL[server]) or None

    # -- servers -----------------------------------------------------------------------------

    def servers(self) -> list[Program]:
        """Those that are ours to start."""
        make: dict[str, Callable[[], Program]] = {
            "postgres": lambda: servers.postgres(
                self.data, self.ports["postgres"], self.secrets["postgres"]
            ),
            "nats": lambda: servers.nats(self.data, self.ports["nats"], self._nats_passwords()),
            "redis": lambda: servers.valkey(self.data, self.ports["redis"]),
            "vectors": lambda: servers.vectors(self.data, self.ports["vectors"]),
        }
        return [program() for name, program in make.items() if self.external(name) is None]

    def _nats_passwords(self) -> dict[str, str]:
        return {name: self.secrets[f"nats_{name}"] for name in ("admin", *SERVICES)}

    def nats_url(self, user: str) -> str:
        password = quote(self.secrets[f"nats_{user}"], safe="")
        return self.external("nats") or f"nats://{user}:{password}@127.0.0.1:{self.ports['nats']}"

    def redis_url(self) -> str:
        return self.external("redis") or f"redis://127.0.0.1:{self.ports['redis']}/0"

    def vectors_url(self) -> str:
        return self.external("vectors") or f"http://127.0.0.1:{self.ports['vectors']}"

    def admin_database_url(self) -> str:
        password = self.secrets["postgres"]
        ours = f"postgresql://postgres:{password}@127.0.0.1:{self.ports['postgres']}/chattery"
        return self.external("postgres") or ours

    def database_url(self, service: str) -> str:
        """The same database as the service's own role."""
        parts = urlsplit(self.admin_database_url())
        host = parts.netloc.rpartition("@")[2]
        password = quote(self.secrets[f"db_{service}"], safe="")
        return urlunsplit(parts._replace(netloc=f"{service}:{password}@{host}"))

    # -- services ----------------------------------------------------------------------------

    def migrations(self) -> list[tuple[str, list[str], dict[str, str]]]:
        """Name, command and environment of each service that has a schema."""
        return [
            (
                service,
                [sys.executable, "-m", f"services.{service}", "migrate"],
                {
                    **self._environment(service),
                    "DATABASE_ADMIN_URL": self.admin_database_url(),
                    "CHATTERY_DB_PASSWORD": self.secrets[f"db_{service}"],
                },
            )
            for service in SERVICES
            if (ROOT / "services" / service / "migrations").is_dir()
        ]

    def services(self) -> list[Program]:
        return [
            Program(
                service,
                [sys.executable, "-m", f"services.{service}"],
                self.logs / f"{service}.log",
                ready=lambda service=service: answers_ok(
                    f"http://127.0.0.1:{self.ports[f'health_{service}']}/readyz"
                ),
                env=self._environment(service),
                cwd=ROOT,
            )
            for service in ("ratelimit", "webhooks", "ingest", "chat", "gateway")
        ]

    def _environment(self, service: str) -> dict[str, str]:
        """What a service needs and no more: its own credentials, never another's."""
        known = self.secrets
        env = {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "NATS_URL": self.nats_url(service),
            "CHATTERY_HEALTH_PORT": str(self.ports[f"health_{service}"]),
            "CHATTERY_LOG_FORMAT": self.environ.get("CHATTERY_LOG_FORMAT", "json"),
        }
        if service != "ratelimit":
            env["DATABASE_URL"] = self.database_url(service)
        if service in ("gateway", "ratelimit", "chat"):
            env["REDIS_URL"] = self.redis_url()
        if service in ("chat", "ingest"):
            env["QDRANT_URL"] = self.vectors_url()
        if service in ("gateway", "ingest"):
            default = f"file://{quote(str((self.data / 'blobs').resolve()))}"
            env["CHATTERY_BLOBS"] = self.environ.get("CHATTERY_BLOBS", default)
        if service == "gateway":
            env |= {
                "CHATTERY_PORT": str(self.ports["gateway"]),
                "CHATTERY_SECRET": self.environ.get("CHATTERY_SECRET") or known["secret"],
                "CHATTERY_OPERATOR_TOKEN": self.operator_token,
                "CHATTERY_ADMIN_EMAIL": self.email,
                "CHATTERY_ADMIN_PASSWORD": self.password,
                "CHATTERY_BOOTSTRAP_API_KEY": known["api_key"],
                "CHATTERY_HOME_CHATBOT_FILE": self.environ.get(
                    "CHATTERY_HOME_CHATBOT_FILE", str(self.data / "demo-chatbot")
                ),
            }
        if service == "ingest":
            env["CHATTERY_FETCH_ALLOW"] = self.environ.get("CHATTERY_FETCH_ALLOW", DEFAULT_ALLOW)
        if service == "webhooks":
            env["CHATTERY_KEYRING"] = self.environ.get("CHATTERY_KEYRING", known["keyring"])
            allowed = self.environ.get("CHATTERY_WEBHOOK_ALLOW", DEFAULT_ALLOW)
            env["CHATTERY_WEBHOOK_ALLOW"] = allowed
        if service == "chat":
            env["CHATTERY_KEYRING"] = self.environ.get("CHATTERY_KEYRING", known["keyring"])
        return env

    # -- what a person or a test is told -----------------------------------------------------

    @property
    def operator_token(self) -> str:
        return self.environ.get("CHATTERY_OPERATOR_TOKEN") or self.secrets["operator_token"]

    @property
    def email(self) -> str:
        return self.environ.get("CHATTERY_ADMIN_EMAIL") or self.secrets["email"]

    @property
    def password(self) -> str:
        return self.environ.get("CHATTERY_ADMIN_PASSWORD") or self.secrets["password"]

    def write_dev_json(self, pids: Mapping[str, int]) -> None:
        """`dev.json`: where the stack is and how to get in. Rewritten when a child is restarted."""
        me = self._ask("/api/me")
        about = {
            "baseUrl": self.base_url,
            "apiKey": self.secrets["api_key"],
            "email": self.email,
            "password": self.password,
            "accountId": (me.get("account") or {}).get("id") or me.get("accountId"),
            "operatorToken": self.operator_token,
            "pids": {"supervisor": os.getpid(), **pids},
            "health": {
                service: f"http://127.0.0.1:{self.ports[f'health_{service}']}"
                for service in SERVICES
            },
        }
        if about["accountId"] is None:  # the gateway is being restarted: what it said before
            about["accountId"] = self._before().get("accountId")
        secrets.write_private(self.data / "dev.json", json.dumps(about, indent=2))

    def _before(self) -> dict[str, str]:
        path = self.data / "dev.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def _ask(self, path: str) -> dict[str, dict[str, str]]:
        request = urllib.request.Request(
            self.base_url + path, headers={"Authorization": f"Bearer {self.secrets['api_key']}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=2) as reply:
                return json.load(reply)
        except (OSError, ValueError, http.client.HTTPException):
            return {}


def answers_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=4) as reply:
            return reply.status == 200
    except (OSError, http.client.HTTPException):
        return False


def _ports(data: Path, port: int) -> dict[str, int]:
    """The ports of the last run where they are still free, so that restarts find each other."""
    path = data / "ports.json"
    before: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    names = (*SERVERS, *(f"health_{service}" for service in SERVICES))
    ports: dict[str, int] = {"gateway": port or servers.free_port()}
    for name in names:
        known = before.get(name)
        if not known or known in ports.values() or not servers.port_is_free(known):
            known = servers.free_port(ports.values())
        ports[name] = known
    path.write_text(json.dumps(ports, indent=2))
    return ports

"""What the embedded stack makes up once and keeps: ports, passwords, keys (mode 600)."""

import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from libs.common.apikeys import new_key

SERVICES = ("gateway", "chat", "ingest", "webhooks", "ratelimit")


def load(data: Path) -> dict[str, str]:
    """The stack's secrets, made on first use; what a newer version needs is added."""
    path = data / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    changed = False
    for name, make in makers().items():
        if name not in known:
            known[name] = make()
            changed = True
    if changed:
        write_private(path, json.dumps(known, indent=2))
    return known


def makers() -> dict[str, Callable[[], str]]:
    makers: dict[str, Callable[[], str]] = {
        "api_key": new_key,
        "email": lambda: "owner@localhost.example",
        "password": lambda: secrets.token_urlsafe(12),
        "operator_token": lambda: f"op_{secrets.token_urlsafe(32)}",
        "secret": lambda: f"1:{secrets.token_hex(32)}",
        "keyring": lambda: f"1:{new_sealing_key()}",
        "postgres": lambda: secrets.token_urlsafe(24),
        "nats_admin": lambda: secrets.token_urlsafe(24),
    }
    for service in SERVICES:
        makers[f"nats_{service}"] = lambda: secrets.token_urlsafe(24)
        makers[f"db_{service}"] = lambda: secrets.token_urlsafe(24)
    return makers


def new_sealing_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; nobody else may read it."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)

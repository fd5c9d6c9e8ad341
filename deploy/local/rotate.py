"""``make rotate-secrets``: a new key for what is sealed in the database, and no more of the old one.

The new key is added to the keyring, the service that seals is restarted with it, every secret is
sealed anew, and then the older keys go. Whatever breaks off in between is finished at the next
start: until then both keys are there.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local import secrets
from deploy.local.servers import ROOT
from deploy.local.stack import Stack
from deploy.local.supervisor import Supervisor

JOB_TIMEOUT = 60.0  # seconds to seal everything anew
TIMEOUT = 120.0  # seconds for a running stack to do it all


def begin(data: Path) -> str:
    """Add a key. Returns the keyring, whose last key is the new one."""
    known = secrets.load(data)
    newest = max(int(part.partition(":")[0]) for part in known["keyring"].split(","))
    known["keyring"] += f",{newest + 1}:{secrets.new_sealing_key()}"
    secrets.write_private(data / "secrets.json", json.dumps(known, indent=2))
    return known["keyring"]


async def carry_on(stack: Stack, supervisor: Supervisor) -> None:
    """In the running stack, told by SIGHUP: take up the keyring as it is now."""
    stack.secrets = secrets.load(stack.data)
    await supervisor.restart("webhooks", stack.environment("webhooks"))


async def finish(stack: Stack, say: Callable[[str], None]) -> None:
    """Where there is more than one key: seal everything under the newest, drop the others."""
    keyring = stack.secrets["keyring"]
    if "," not in keyring or "CHATTERY_KEYRING" in stack.environ:
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.webhooks", "reseal"),
        env={**os.environ, **stack.environment("webhooks")},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(JOB_TIMEOUT):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        say("Secrets were not sealed under the new key in time; the old key stays")
        return
    if process.returncode:
        say(f"Not every secret could be sealed anew; the old key stays\n{out.decode()[-500:]}")
        return
    newest = keyring.rpartition(",")[2]
    stack.secrets["keyring"] = newest
    secrets.write_private(stack.data / "secrets.json", json.dumps(stack.secrets, indent=2))
    say(f"All secrets are sealed under key {newest.partition(':')[0]}; older keys are gone")


def command(data: Path, environ: dict[str, str]) -> str:
    """What a person started: returns what to tell them. Raises `OSError` or `ValueError`."""
    if environ.get("CHATTERY_KEYRING"):
        raise ValueError("CHATTERY_KEYRING is set: add a key there; docs/webhooks.md says how.")
    if not (data / "secrets.json").exists():
        raise ValueError(f"There is no stack in {data}; `make run` makes one.")
    supervisor = _supervisor(data)
    number = begin(data).rpartition(",")[2].partition(":")[0]
    if supervisor is None:
        return f"Key {number} is made; secrets are sealed under it at the next `make run`."
    os.kill(supervisor, signal.SIGHUP)
    end = time.monotonic() + TIMEOUT
    while "," in secrets.load(data)["keyring"]:
        if time.monotonic() > end:
            raise ValueError("It was not finished in time; the terminal of `make run` says why.")
        time.sleep(0.2)
    return f"All secrets are sealed under key {number}; the older keys are gone."


def _supervisor(data: Path) -> int | None:
    path = data / "dev.json"
    if not path.exists():
        return None
    pid = int(json.loads(path.read_text())["pids"]["supervisor"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    return pid

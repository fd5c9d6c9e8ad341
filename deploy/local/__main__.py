"""``python -m deploy.local run``: the embedded stack and the five services, until Ctrl-C.

``rotate-secrets`` gives it a new key for what is sealed in the database.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import rotate
from deploy.local.console import Screen
from deploy.local.servers import ROOT, port_is_free
from deploy.local.stack import Stack, answers_ok
from deploy.local.supervisor import DidNotStart, Supervisor

READY_TIMEOUT = 180.0  # seconds for the gateway to say that all is ready
MIGRATE_TIMEOUT = 180.0  # seconds for one schema


class CannotRun(Exception):
    """The stack can't be started, and why."""


async def run(stack: Stack, screen: Screen) -> None:
    started = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    tell = Teller(stack)
    supervisor = Supervisor(screen.say, changed=tell.soon)
    tell.supervisor = supervisor
    starting = asyncio.create_task(_start(stack, supervisor, screen))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await tell.begin()
            screen.ready(stack, time.monotonic() - started)
            rotating = asyncio.create_task(_rotate(stack, supervisor, screen, asked))
            await stopping
            rotating.cancel()
    finally:
        starting.cancel()
        await tell.stop()
        (stack.data / "dev.json").unlink(missing_ok=True)
        with screen.step("Stopping"):
            await supervisor.stop()


async def _rotate(
    stack: Stack, supervisor: Supervisor, screen: Screen, asked: asyncio.Event
) -> None:
    """Finish a change of keys that was begun before, then take up those that are asked for."""
    while True:
        try:
            await rotate.finish(stack, screen.say)
            await asked.wait()
            asked.clear()
            await rotate.carry_on(stack, supervisor)
        except (OSError, DidNotStart) as exc:
            screen.fail(str(exc))


async def _start(stack: Stack, supervisor: Supervisor, screen: Screen) -> None:
    own = stack.servers()
    names = ", ".join(program.name for program in own) or "none of its own"
    with screen.step(f"Starting the servers ({names})"):
        await supervisor.start(own)
    with screen.step("Bringing the schemas up to date"):
        await asyncio.gather(*(_migrate(*one) for one in stack.migrations()))
    with screen.step("Starting the services"):
        await supervisor.start(stack.services())
        end = time.monotonic() + READY_TIMEOUT
        while not await asyncio.to_thread(answers_ok, f"{stack.base_url}/readyz"):
            if time.monotonic() > end:
                raise DidNotStart(f"the gateway did not become ready; see {stack.logs}")
            await asyncio.sleep(0.1)


async def _migrate(service: str, argv: list[str], env: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **env},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(MIGRATE_TIMEOUT):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise DidNotStart(f"the schema of {service} took too long to bring up to date") from None
    if process.returncode:
        words = out.decode(errors="replace").strip()[-2000:]
        raise DidNotStart(f"the schema of {service} could not be brought up to date\n{words}")


class Teller:
    """Keeps `dev.json` true. It is written once at a time, for the gateway is asked meanwhile:
    of two, the one that knew less might come last."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._writing: asyncio.Task[None] | None = None
        self._changed = True
        self._stopped = False
        self.supervisor: Supervisor | None = None

    async def begin(self) -> None:
        """Write it, and from now on after every change."""
        self._writing = asyncio.create_task(self._write())
        await self._writing

    def soon(self) -> None:
        self._changed = True
        if self._writing is not None and self._writing.done() and not self._stopped:
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        assert self.supervisor is not None
        while self._changed and not self._stopped:
            self._changed = False
            await asyncio.to_thread(self._stack.write_dev_json, self.supervisor.pids)

    async def stop(self) -> None:
        """Nothing is written from here on."""
        self._stopped = True
        if self._writing is not None:
            await asyncio.wait({self._writing})


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data folder: two stacks on the same data would ruin it."""
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotRun(
                f"A stack with the data in {data} is running already. Stop it, or set "
                "CHATTERY_DATA to another folder."
            ) from None
        yield


def main() -> int:
    if sys.argv[1:] not in (["run"], ["rotate-secrets"]):
        print("usage: python -m deploy.local run | rotate-secrets", file=sys.stderr)
        return 2
    screen = Screen()
    if sys.argv[1] == "rotate-secrets":
        return _rotate_secrets(screen)
    try:
        data = Path(os.environ.get("CHATTERY_DATA") or ".chattery").resolve()
        port = _port()
        data.mkdir(parents=True, exist_ok=True)
        with only_one(data):
            (data / "dev.json").unlink(missing_ok=True)
            asyncio.run(run(Stack(data, port, os.environ), screen))
    except (CannotRun, DidNotStart, FileNotFoundError) as exc:
        screen.fail(str(exc))
        return 1
    return 0


def _rotate_secrets(screen: Screen) -> int:
    data = Path(os.environ.get("CHATTERY_DATA") or ".chattery").resolve()
    try:
        screen.say(rotate.command(data, dict(os.environ)))
    except (OSError, ValueError) as exc:
        screen.fail(str(exc))
        return 1
    return 0


def _port() -> int:
    text = os.environ.get("CHATTERY_PORT") or "8080"
    if not text.isdigit() or int(text) > 65_535:
        raise CannotRun(f"CHATTERY_PORT must be a port number, not {text!r}.")
    port = int(text)
    if port and not port_is_free(port):
        raise CannotRun(
            f"Port {port} is taken. Choose another with CHATTERY_PORT=9090 make run, "
            "or let one be picked with CHATTERY_PORT=0 make run."
        )
    return port


if __name__ == "__main__":
    raise SystemExit(main())

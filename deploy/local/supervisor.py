"""Starts programs, restarts those that die, stops all of them in order."""

import asyncio
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping

from deploy.local.programs import Program, stop

READY_TIMEOUT = 180.0  # seconds for a program to become ready: a first start on a slow disk
RESTART_FIRST = 0.1  # seconds before the first restart; doubles, with jitter
RESTART_MAX = 5.0  # seconds
STEADY_AFTER = 20.0  # seconds of life after which a death counts as the first again
STOP_TIMEOUT = 4.0  # seconds for a group of programs to end by itself

Say = Callable[[str], None]


class DidNotStart(Exception):
    """A program was not ready in time, or ended while it started."""


class Supervisor:
    def __init__(self, say: Say, changed: Callable[[], None]) -> None:
        self._say = say
        self._changed = changed  # told after every restart
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}
        self._groups: list[list[Program]] = []

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._running.items()}

    async def start(self, programs: list[Program]) -> None:
        """Start a group together and wait until all are ready. Raises `DidNotStart`."""
        self._groups.append(programs)
        for program in programs:
            await asyncio.to_thread(program.prepare)
            self._running[program.name] = program.start()
        await asyncio.gather(*(self._await_ready(program) for program in programs))
        for program in programs:
            self._watching[program.name] = asyncio.create_task(self._watch(program))

    async def _await_ready(self, program: Program) -> None:
        process = self._running[program.name]
        end = time.monotonic() + READY_TIMEOUT
        pause = 0.01
        while not await asyncio.to_thread(program.ready):
            if process.poll() is not None:
                why = program.last_words(5)
                raise DidNotStart(f"{program.name} ended with {reason(process.returncode)}\n{why}")
            if time.monotonic() > end:
                raise DidNotStart(f"{program.name} was not ready in time; see {program.log}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.2)

    async def _watch(self, program: Program) -> None:
        """Restart a program whenever it dies, at once the first time, then less and less often."""
        pause = RESTART_FIRST
        while True:
            process = self._running[program.name]
            started = time.monotonic()
            while process.poll() is None:
                await asyncio.sleep(0.05)
            if time.monotonic() - started > STEADY_AFTER:
                pause = RESTART_FIRST
            words = program.last_words()
            self._say(
                f"{program.name} ended with {reason(process.returncode)}; restarting"
                f"{': ' + words if words else ''} (log: {program.log})"
            )
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, RESTART_MAX)
            try:
                await asyncio.to_thread(program.prepare)
                self._running[program.name] = program.start()
            except (OSError, subprocess.SubprocessError) as exc:
                self._say(f"{program.name} could not be started: {exc}")
                continue
            self._changed()

    async def restart(self, name: str, env: Mapping[str, str]) -> None:
        """End a program, to be started again with another environment, and wait for it."""
        program = next(p for group in self._groups for p in group if p.name == name)
        program.env = env
        before = self._running[name]
        await asyncio.to_thread(stop, before, program.stop_signal, STOP_TIMEOUT)
        end = time.monotonic() + READY_TIMEOUT
        while self._running[name] is before or not await asyncio.to_thread(program.ready):
            if time.monotonic() > end:
                raise DidNotStart(f"{name} was not ready in time; see {program.log}")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Stop the groups in reverse order, each together; nothing is left."""
        for task in self._watching.values():
            task.cancel()
        await asyncio.gather(*self._watching.values(), return_exceptions=True)
        for group in reversed(self._groups):
            await asyncio.gather(
                *(
                    asyncio.to_thread(
                        stop, self._running[program.name], program.stop_signal, STOP_TIMEOUT
                    )
                    for program in group
                    if program.name in self._running
                )
            )


def reason(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"

"""A program of the stack: what to run, as whom, and how to see that it is ready."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """``ready`` is asked until it is True; ``prepare`` is to be called before every start."""

    name: str
    argv: list[str]
    log: Path
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    prepare: Callable[[], None] = lambda: None
    unprivileged: bool = False  # as another user, when we are root
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGTERM  # sent by the kernel when we die
    cwd: Path | None = None

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it. It can't outlive us, however we end (Linux).

        To be called from the main thread, for the kernel ties a child to the thread it is of.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        other = self.unprivileged and is_root()
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
                cwd=self.cwd,
                start_new_session=True,  # Ctrl-C reaches us alone: we stop the rest in order
                preexec_fn=_tie_to_parent(self.orphan_signal, os.getpid()),  # noqa: PLW1509  # one prctl
                user="nobody" if other else None,
                group="nogroup" if other else None,
                extra_groups=[] if other else None,
            )

    def last_words(self, lines: int = 1) -> str:
        """The end of its log, for a person who wants to know why it died."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                text = file.read().decode(errors="replace").strip()
        except OSError:
            return ""
        return "\n".join(filter(None, map(_in_words, text.splitlines()[-lines:])))[-400:]


def _in_words(line: str) -> str:
    """A line of a log as a person reads it; what went as it should is no reason to die."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    if entry.get("level") in ("info", "debug"):
        return ""
    why = entry.get("reason") or str(entry.get("exception", "")).strip().rpartition("\n")[2]
    return f"{entry.get('event', '')}: {why}" if why else str(entry.get("event", line))


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _tie_to_parent(number: int, parent: int) -> Callable[[], None] | None:
    """For a fresh child: be signalled when the parent dies (prctl(2)), or now if it has."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def stop(process: "subprocess.Popen[bytes]", number: signal.Signals, timeout: float) -> None:
    """Signal it and wait; SIGKILL to its whole group when it takes too long."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)

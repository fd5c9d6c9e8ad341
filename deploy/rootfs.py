"""``make rootfs SERVICE=chat``: the image of a service as a folder, without a container engine.

Reads `deploy/Dockerfile` and does what its lines say, with folders for layers and this machine's
Python for the base image's. What the image lacks, the folder lacks: tests run services from it.
Only what our Dockerfile uses is understood; anything else is refused.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.servers import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
OUT = ROOT / "artifacts" / "rootfs"
PLACES = ("/opt/venv", "/app")  # paths of the image that commands and variables name
SERVICES = ("gateway", "ratelimit", "chat", "ingest", "webhooks")

Install = Callable[[Path, Path], None]  # a lock file, a virtual environment


@dataclass
class Image:
    """A stage: its files, and what it says about how to run them."""

    root: Path
    env: dict[str, str] = field(default_factory=dict[str, str])
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list[str])

    def path(self, inside: str) -> Path:
        return self.root / str(Path("/", self.workdir, inside)).lstrip("/")

    def outside(self, text: str) -> str:
        """A command or a variable that names paths of the image, as it is said out here."""
        for place in PLACES:
            text = text.replace(place, str(self.root) + place)
        return text

    def argv(self) -> list[str]:
        program, *rest = self.entrypoint
        return [str(self.root / "opt/venv/bin" / program), *rest]

    def environment(self) -> dict[str, str]:
        return {name: self.outside(value) for name, value in self.env.items()}


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction and its arguments, on one line."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def stages() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """By name: what it is made from, and its instructions."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in instructions():
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = []
            found[name] = (base, current)
        else:
            current.append((word, rest))
    return found


class Builder:
    def __init__(self, out: Path, install: Install) -> None:
        self._out = out
        self._install = install
        self._stages = stages()
        self._built: dict[str, Image] = {}  # those that others are made from

    def build(self, stage: str) -> Image:
        """A stage in a folder of its own, anew."""
        base, lines = self._stages[stage]
        image = Image(self._out / stage)
        shutil.rmtree(image.root, ignore_errors=True)
        if base in self._stages:
            below = self._once(base)
            shutil.copytree(below.root, image.root, symlinks=True, copy_function=link)
            image.env, image.workdir = dict(below.env), below.workdir
        image.root.mkdir(parents=True, exist_ok=True)
        for word, rest in lines:
            self._do(image, word, rest)
        return image

    def _once(self, stage: str) -> Image:
        if stage not in self._built:
            self._built[stage] = self.build(stage)
        return self._built[stage]

    def _do(self, image: Image, word: str, rest: str) -> None:
        match word:
            case "ENV":
                image.env |= dict(part.split("=", 1) for part in shlex.split(rest))
            case "WORKDIR":
                image.workdir = rest
                image.path(".").mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(image, shlex.split(rest))
            case "RUN":
                self._run(image, rest)
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "ARG" | "LABEL" | "USER" | "EXPOSE":
                pass
            case _:
                raise NotImplementedError(f"{word} {rest}")

    def _copy(self, image: Image, words: list[str]) -> None:
        if words[0].startswith("--from="):
            stage, name, to = words
            self._move(image, stage.removeprefix("--from="), name, to)
            return
        *names, to = words
        for name in names:
            found, target = ROOT / name, image.path(to)
            if found.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(found, target, ignore=ignore, dirs_exist_ok=True)
            else:
                target = target / found.name if to.endswith("/") else target
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)

    def _move(self, image: Image, stage: str, name: str, to: str) -> None:
        """What one image takes from a stage of its own is not wanted a second time."""
        target = image.path(to)
        if target.is_dir():
            target.rmdir()  # made by WORKDIR
        target.parent.mkdir(parents=True, exist_ok=True)
        (self._once(stage).root / name.lstrip("/")).rename(target)

    def _run(self, image: Image, command: str) -> None:
        words = [image.outside(word) for word in shlex.split(command)]
        if " pip " in command:
            venv = image.root / "opt/venv"
            self._install(image.path(words[words.index("-r") + 1]), venv)
            return
        assert words[0] == "python", command
        subprocess.run(
            [sys.executable, *words[1:]],
            cwd=image.path("."),
            env={**os.environ, **image.environment()},
            check=True,
        )


def link(source: str, target: str) -> object:
    """A layer shares its files with the one below."""
    try:
        return os.link(source, target, follow_symlinks=False)
    except OSError:
        return shutil.copy2(source, target, follow_symlinks=False)


def from_index(lock: Path, venv: Path) -> None:
    """As the image does: pip, every file against its hash."""
    python = str(venv / "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    argv = [*pip, "install", "-q", "--require-hashes", "-r", str(lock)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)


def size(folder: Path) -> int:
    """Bytes, each file once."""
    files = {p.stat().st_ino: p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    return sum(files.values())


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in SERVICES:
        print(f"usage: make rootfs SERVICE={'|'.join(SERVICES)}", file=sys.stderr)
        return 64
    service = sys.argv[1]
    image = Builder(OUT, from_index).build(service)
    shutil.rmtree(OUT / f"build-{service}", ignore_errors=True)
    shutil.rmtree(OUT / "runtime", ignore_errors=True)
    shutil.rmtree(OUT / "build", ignore_errors=True)
    packages = len(list(image.root.glob("opt/venv/lib/*/site-packages/*.dist-info")))
    print(f"{image.root}: {size(image.root) / 1e6:.0f} MB, {packages} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

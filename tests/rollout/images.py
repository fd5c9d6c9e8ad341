"""The images of all services as folders, as the Dockerfile says, without a package index.

Packages come from the tests' own environment, which the same lock files were made for: of each
service those that its lock file names, and no other.
"""

import re
import sys
from importlib.metadata import Distribution, distribution
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement

from deploy.rootfs import SERVICES, Builder, Image, link


def build(out: Path) -> dict[str, Image]:
    builder = Builder(out, linked)
    return {service: builder.build(service) for service in SERVICES}


def linked(lock: Path, venv: Path) -> None:
    """What pip would install, with its bytecode, linked from the environment of the tests."""
    folder = f"python{sys.version_info.major}.{sys.version_info.minor}"
    into = venv / "lib" / folder / "site-packages"
    for found in wanted(lock):
        for file in found.files or ():
            source = Path(str(found.locate_file(file)))
            if ".." in file.parts or file.suffix == ".pyc" or not source.is_file():
                continue
            _link(source, into / file)
            bytecode = Path(cache_from_source(str(source)))
            if source.suffix == ".py" and bytecode.is_file():
                _link(bytecode, Path(cache_from_source(str(into / file))))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        link(str(source), str(target))


def wanted(lock: Path) -> list[Distribution]:
    """The packages of a lock file that are for this platform."""
    lines = re.findall(r"^([a-z0-9][^\\\n]*)", lock.read_text(), re.MULTILINE)
    found = []
    for line in lines:
        needed = Requirement(line.strip())
        if needed.marker is None or needed.marker.evaluate():
            package = distribution(needed.name)
            assert package.version in needed.specifier, f"{needed}, not {package.version}"
            found.append(package)
    return found

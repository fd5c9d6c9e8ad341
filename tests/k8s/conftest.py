"""The overlays as they are rendered, parsed."""

import importlib
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy" / "k8s"


def rendered(folder: Path) -> list[dict]:
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    done = subprocess.run(
        [str(kubectl), "kustomize", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [resource for resource in yaml.safe_load_all(done.stdout) if resource]


@pytest.fixture(scope="session")
def production() -> list[dict]:
    return rendered(K8S / "overlays" / "production")


@pytest.fixture(scope="session")
def dev() -> list[dict]:
    return rendered(K8S / "overlays" / "dev")


SERVICES = ("gateway", "ratelimit", "chat", "ingest", "webhooks")


@pytest.fixture(scope="session")
def metrics() -> set[str]:
    """Every name under which a sample can be asked for, of all services."""
    from prometheus_client import REGISTRY

    for service in SERVICES:
        importlib.import_module(f"services.{service}.service")
    return set(REGISTRY._names_to_collectors)


@pytest.fixture(scope="session")
def settings() -> dict[str, type]:
    """The settings of each service, as the code has them."""
    return {
        service: importlib.import_module(f"services.{service}.service").Settings
        for service in SERVICES
    }

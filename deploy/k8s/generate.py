"""What the manifests take from the code, so that neither can drift.

``python -m deploy.k8s.generate`` writes NATS' users and permissions for both overlays;
``python -m deploy.k8s.generate secrets`` prints fresh Secrets for the dev overlay, to be piped
into ``kubectl apply -f -``. A test compares the written files with the code.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from deploy.local import secrets
from libs.common.permissions import NATS_PERMISSIONS

HERE = Path(__file__).parent
DEV_NATS = HERE / "overlays" / "dev" / "nats.conf"
PRODUCTION_NATS = HERE / "overlays" / "production" / "values" / "nats.yaml"
DEV = "chattery-dev"
WITH_DATABASE = ("gateway", "chat", "ingest", "webhooks")
NATS_VALUES_HEAD = """\
# Values of the NATS chart (https://nats-io.github.io/k8s): three servers, JetStream on disk, a user
# a service with the permissions of libs/common/permissions.py. Written by deploy/k8s/generate.py.
# The passwords are in the secret nats-users of the namespace nats, one key a service.
"""


def nats_users(password: str) -> list[dict[str, Any]]:
    """Users and permissions; ``password`` is a template that refers to an environment variable."""
    return [
        {
            "user": name,
            "password": password.format(password_variable(name)),
            "permissions": {
                "publish": {"allow": list(allowed["publish"])},
                "subscribe": {"allow": list(allowed["subscribe"])},
                "allow_responses": {"max": 100_000, "expires": "10m"},
            },
        }
        for name, allowed in NATS_PERMISSIONS.items()
    ]


def password_variable(service: str) -> str:
    return f"NATS_PASSWORD_{service.upper()}"


def dev_nats_conf() -> str:
    """JSON is valid in NATS' configuration, but for ``$VARIABLES``, which stand without quotes."""
    config = {
        "port": 4222,
        "http_port": 8222,
        "server_name": "chattery-dev",
        "max_payload": 1 << 20,
        # The streams reserve what they may grow to: 6 GiB on disk, 256 MiB in memory. A service
        # that starts asks for its streams again, and the server counts what is asked beside it.
        "jetstream": {
            "store_dir": "/data",
            "max_memory_store": 600 << 20,
            "max_file_store": 12 << 30,
        },
        "authorization": {"users": nats_users("<{}>")},
    }
    text = json.dumps(config, indent=2)
    for service in NATS_PERMISSIONS:
        name = password_variable(service)
        text = text.replace(f'"<{name}>"', f"${name}")
    return text + "\n"


def production_nats_values() -> str:
    passwords = {
        password_variable(service): {
            "valueFrom": {"secretKeyRef": {"name": "nats-users", "key": service}}
        }
        for service in NATS_PERMISSIONS
    }
    values = {
        "config": {
            "cluster": {"enabled": True, "replicas": 3},
            "jetstream": {
                "enabled": True,
                "fileStore": {"pvc": {"size": "50Gi"}},
                "memoryStore": {"enabled": True, "maxSize": "2Gi"},
            },
            "monitor": {"enabled": True},
            "merge": {
                "max_payload": 1 << 20,
                "authorization": {"users": nats_users("<< ${} >>")},
            },
        },
        "container": {
            "env": passwords,
            "merge": {"resources": {"requests": {"cpu": "1", "memory": "4Gi"}}},
        },
        "podTemplate": {
            "topologySpreadConstraints": {
                "kubernetes.io/hostname": {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
            }
        },
    }
    return NATS_VALUES_HEAD + yaml.safe_dump(values, sort_keys=False, width=100)


def dev_secrets() -> str:
    """Every Secret that the dev overlay refers to, with fresh random values."""
    made = {name: make() for name, make in secrets.makers().items()}
    admin = f"postgresql://postgres:{quote(made['postgres'])}@postgres:5432/chattery"
    data: dict[str, dict[str, str]] = {
        "postgres": {"password": made["postgres"]},
        "nats-users": {name: made[f"nats_{name}"] for name in NATS_PERMISSIONS},
        "chattery-migrate": {"DATABASE_ADMIN_URL": admin},
    }
    for service in NATS_PERMISSIONS:
        data[f"chattery-{service}"] = _of(service, made)
    return yaml.safe_dump_all(
        [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": DEV},
                "stringData": values,
            }
            for name, values in data.items()
        ],
        sort_keys=False,
    )


def _of(service: str, made: dict[str, str]) -> dict[str, str]:
    found = {"NATS_URL": f"nats://{service}:{quote(made[f'nats_{service}'])}@nats:4222"}
    if service in WITH_DATABASE:
        password = made[f"db_{service}"]
        found["DATABASE_PASSWORD"] = password
        found["DATABASE_URL"] = f"postgresql://{service}:{quote(password)}@postgres:5432/chattery"
    if service in ("gateway", "ratelimit"):
        found["REDIS_URL"] = "redis://valkey:6379/0"
    if service == "gateway":
        found |= {
            "CHATTERY_SECRET": made["secret"],
            "CHATTERY_OPERATOR_TOKEN": made["operator_token"],
            "CHATTERY_ADMIN_EMAIL": made["email"],
            "CHATTERY_ADMIN_PASSWORD": made["password"],
        }
    if service == "webhooks":
        found["CHATTERY_KEYRING"] = made["keyring"]
    return found


def main() -> None:
    if sys.argv[1:] == ["secrets"]:
        print(dev_secrets(), end="")
        return
    DEV_NATS.write_text(dev_nats_conf())
    PRODUCTION_NATS.write_text(production_nats_values())


if __name__ == "__main__":
    main()

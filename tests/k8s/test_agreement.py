"""The manifests say what the code says: each test derives both sides and compares."""

import json
import re

import pytest
import yaml

from deploy.k8s import generate
from deploy.k8s.policies import named, of
from libs.common import calls
from libs.common.config import DatabaseSettings
from libs.common.envelope import Endpoint
from libs.common.permissions import NATS_PERMISSIONS
from libs.common.streams import STREAMS
from tests.k8s.conftest import K8S, ROOT, SERVICES

# Read outside of the settings: by libs/common/streams.py, and by the library that speaks S3.
ELSEWHERE = {"CHATTERY_STREAM_REPLICAS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
# Set by the image, as they belong to its ports; never by a manifest.
IMAGE = {"CHATTERY_HOST", "CHATTERY_HEALTH_HOST", "CHATTERY_HEALTH_PORT"}


def variables(settings: type) -> dict[str, object]:
    """The environment variables of a settings class, each with its default."""
    found = {}
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        variable = alias.choices[0] if alias else f"CHATTERY_{name.upper()}"
        found[variable] = ... if field.is_required() else field.get_default()
    return found


def given(resources: list[dict], service: str) -> set[str]:
    """What a pod of the service has in its environment."""
    container = named(resources, "Deployment", service)["spec"]["template"]["spec"]["containers"][0]
    names = {entry["name"] for entry in container["env"]}
    for source in container["envFrom"]:
        names |= set(named(resources, "ConfigMap", source["configMapRef"]["name"])["data"])
    return names


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_of_a_pod_is_one_that_the_service_reads(
    service, production, dev, settings
) -> None:
    shared = common(production)
    known = set(variables(settings[service])) | ELSEWHERE | shared
    for resources in (production, dev):
        assert given(resources, service) - known == set()


def common(resources: list[dict]) -> set[str]:
    """The variables that all services get; each reads what is its own."""
    container = named(resources, "Deployment", "ratelimit")["spec"]["template"]["spec"][
        "containers"
    ][0]
    config = container["envFrom"][0]["configMapRef"]["name"]
    return set(named(resources, "ConfigMap", config)["data"])


@pytest.mark.parametrize("service", SERVICES)
def test_what_has_no_default_for_a_cluster_is_given(service, production, settings) -> None:
    wanted = {
        name
        for name, default in variables(settings[service]).items()
        if default is ... or "127.0.0.1" in plain(default) or "/var/lib" in plain(default)
    }
    assert wanted - IMAGE - given(production, service) == set()


def plain(default: object) -> str:
    reveal = getattr(default, "get_secret_value", None)
    return str(reveal() if reveal else default)


def test_variables_common_to_all_are_read_by_some_service(production, settings) -> None:
    known = ELSEWHERE.union(*(variables(s) for s in settings.values()))
    assert common(production) - known == set()


def test_a_migration_gets_what_it_reads(production) -> None:
    known = set(variables(DatabaseSettings))
    for job in of(production, "Job"):
        container = job["spec"]["template"]["spec"]["containers"][0]
        assert {entry["name"] for entry in container["env"]} <= known
        assert container["args"] == ["migrate"]


def test_every_secret_of_a_pod_is_made_for_dev_and_named_for_the_vault(production, dev) -> None:
    made = {
        s["metadata"]["name"]: s["stringData"] for s in yaml.safe_load_all(generate.dev_secrets())
    }
    vault = {s["spec"]["target"]["name"] for s in of(production, "ExternalSecret")}
    for resources in (production, dev):
        for kind in ("Deployment", "Job", "StatefulSet"):
            for owner in of(resources, kind):
                container = owner["spec"]["template"]["spec"]["containers"][0]
                for entry in container.get("env", []):
                    reference = entry.get("valueFrom", {}).get("secretKeyRef")
                    if reference is None or reference.get("optional"):
                        continue
                    assert reference["key"] in made[reference["name"]], entry["name"]
                    assert resources is dev or reference["name"] in vault, entry["name"]


def test_ports_are_those_of_the_image(production) -> None:
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    health = int(re.search(r"CHATTERY_HEALTH_PORT=(\d+)", image)[1])
    http = int(re.search(r"CHATTERY_PORT=(\d+)", image)[1])
    for deployment in of(production, "Deployment"):
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        expected = {"health": health}
        if deployment["metadata"]["name"] == "gateway":
            expected["http"] = http
        assert {p["name"]: p["containerPort"] for p in container["ports"]} == expected
    assert {int(port) for port in re.findall(r"^EXPOSE (\d+)", image, re.MULTILINE)} == {
        health,
        http,
    }


async def test_probe_paths_are_served(production, settings) -> None:
    import aiohttp

    from libs.common.app import Health
    from libs.common.config import CommonSettings

    paths = {
        container[probe]["httpGet"]["path"]
        for deployment in of(production, "Deployment")
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    } | {e["path"] for m in of(production, "PodMonitor") for e in m["spec"]["podMetricsEndpoints"]}
    async with (
        Health.open(CommonSettings()) as health,
        aiohttp.ClientSession(f"http://127.0.0.1:{health.port}") as session,
    ):
        for path in paths:
            async with session.get(path) as answer:  # 503: it has not started
                assert answer.status in (200, 503), path


async def test_a_check_that_is_excluded_is_one_of_the_gateways(production) -> None:
    from libs.common.app import Health, Service
    from services.gateway.service import NEEDED

    path = named(production, "Deployment", "gateway")["spec"]["template"]["spec"]["containers"][0][
        "readinessProbe"
    ]["httpGet"]["path"]
    excluded = re.findall(r"exclude=(\w+)", path)

    async def away() -> None:
        raise ConnectionError

    health = Health()
    health.service = Service("gateway", checks=dict.fromkeys((*NEEDED, "bus"), away))

    assert set(excluded) == set(NEEDED)
    assert await health.failing(exclude=excluded) == {"bus": "ConnectionError"}


# -- the bus -----------------------------------------------------------------------------------


def test_nats_users_and_permissions_are_written_from_the_code() -> None:
    again = "run `make k8s-generate`"
    assert generate.DEV_NATS.read_text() == generate.dev_nats_conf(), again
    assert generate.PRODUCTION_NATS.read_text() == generate.production_nats_values(), again


def test_nats_permissions_in_the_manifests_are_those_of_the_code(dev) -> None:
    config = next(r for r in of(dev, "ConfigMap") if r["metadata"]["name"].startswith("nats-"))
    text = re.sub(r"\$(NATS_PASSWORD_\w+)", r'"\1"', config["data"]["nats.conf"])
    in_dev = json.loads(text)["authorization"]["users"]
    values = yaml.safe_load((K8S / "overlays/production/values/nats.yaml").read_text())
    in_production = values["config"]["merge"]["authorization"]["users"]
    for users in (in_dev, in_production):
        said = {
            user["user"]: {
                "publish": tuple(user["permissions"]["publish"]["allow"]),
                "subscribe": tuple(user["permissions"]["subscribe"]["allow"]),
            }
            for user in users
        }
        assert said == NATS_PERMISSIONS


def test_every_call_may_be_served_and_asked() -> None:
    endpoints = [value for value in vars(calls).values() if isinstance(value, Endpoint)]
    owner = {"knowledge": "ingest"}
    assert len(endpoints) > 30
    for endpoint in endpoints:
        service = owner.get(endpoint.service, endpoint.service)
        assert allowed(NATS_PERMISSIONS[service]["subscribe"], endpoint.subject)
        assert any(
            allowed(permissions["publish"], endpoint.subject)
            for permissions in NATS_PERMISSIONS.values()
        )


def allowed(patterns: tuple[str, ...], subject: str) -> bool:
    return any(
        subject == p or (p.endswith(".>") and subject.startswith(p.removesuffix(">")))
        for p in patterns
    )


def test_the_streams_fit_into_what_jetstream_has() -> None:
    disk = sum(s.max_bytes or 0 for s in STREAMS.values() if s.storage != "memory")
    memory = sum(s.max_bytes or 0 for s in STREAMS.values() if s.storage == "memory")
    values = yaml.safe_load((K8S / "overlays/production/values/nats.yaml").read_text())
    js = values["config"]["jetstream"]
    text = re.sub(r"\$(NATS_PASSWORD_\w+)", r'"\1"', generate.DEV_NATS.read_text())
    dev = json.loads(text)["jetstream"]
    assert disk < int(js["fileStore"]["pvc"]["size"].removesuffix("Gi")) << 30
    assert memory < int(js["memoryStore"]["maxSize"].removesuffix("Gi")) << 30
    assert disk * 1.7 < dev["max_file_store"]
    assert memory * 2 < dev["max_memory_store"]


def test_postgres_has_a_connection_for_every_pod_there_may_be(production, settings) -> None:
    most = {
        scaler["spec"]["scaleTargetRef"]["name"]: scaler["spec"]["maxReplicaCount"]
        for scaler in of(production, "ScaledObject")
    }
    pools = {s: settings[s].model_fields["db_pool"].default for s in generate.WITH_DATABASE}
    wanted = sum(size * (most[service] + 1) for service, size in pools.items())  # 1: the surge
    wanted += most["chat"] + 1  # each for its lease
    text = (K8S / "overlays/production/values/postgres.yaml").read_text()
    cluster = next(r for r in yaml.safe_load_all(text) if r["kind"] == "Cluster")
    allowed = int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
    assert wanted + len(pools) + 10 <= allowed  # the migrations, and people


# -- autoscaling -------------------------------------------------------------------------------


def test_autoscalers_ask_for_what_exists(production, metrics) -> None:
    from services.ingest.worker import consumer_of

    consumers = {(c.stream, c.durable) for c in (consumer_of("item", 1), consumer_of("crawl", 1))}
    triggers = [t for s in of(production, "ScaledObject") for t in s["spec"]["triggers"]]
    asked = {n for t in triggers for n in names(t["metadata"].get("query", ""))}
    watched = {
        (t["metadata"]["stream"], t["metadata"]["consumer"])
        for t in triggers
        if t["type"] == "nats-jetstream"
    }
    assert asked
    assert asked - metrics == set()
    assert watched == consumers


def names(query: str) -> set[str]:
    return set(re.findall(r"chattery_\w+", query))

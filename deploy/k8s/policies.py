"""What the rendered manifests must hold to, as functions from resources to complaints.

Linters know what is bad anywhere; these know this product: which paths there are, how long it
drains, who may reach whom. `tests/k8s` runs them, and takes parts out to see them complain.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Resource = dict[str, Any]
Policy = Callable[[list[Resource]], Iterator[str]]

SERVICES = ("gateway", "ratelimit", "chat", "ingest", "webhooks")
SPARE = 5  # seconds between the end of the drain and SIGKILL, at least
# Ports in the world: the model; the bucket and mail; pages and the bucket; integrators and mail.
WORLD = {
    "chat": {443},
    "gateway": {443, 465, 587},
    "ingest": {80, 443},
    "webhooks": {443, 465, 587},
}
DEPENDENCIES = {"NATS_URL": 4222, "DATABASE_URL": 5432, "REDIS_URL": 6379, "QDRANT_URL": 6333}
WITH_VECTORS = ("chat", "ingest")
PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"}


def of(resources: Iterable[Resource], *kinds: str) -> list[Resource]:
    return [r for r in resources if r["kind"] in kinds]


def named(resources: Iterable[Resource], kind: str, name: str) -> Resource | None:
    return next((r for r in of(resources, kind) if r["metadata"]["name"] == name), None)


def pods(resources: Iterable[Resource]) -> Iterator[tuple[str, Resource]]:
    """Every pod template, with a name for people."""
    for r in of(resources, "Deployment", "StatefulSet", "Job"):
        yield f"{r['kind']} {r['metadata']['name']}", r["spec"]["template"]


def containers(resources: Iterable[Resource]) -> Iterator[tuple[str, Resource]]:
    for name, pod in pods(resources):
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            yield f"{name}, {container['name']}", container


# -- what runs ---------------------------------------------------------------------------------


def probes(resources: list[Resource]) -> Iterator[str]:
    """Three probes of their own meaning; liveness never asks a dependency."""
    for r in of(resources, "Deployment"):
        name = r["metadata"]["name"]
        container = r["spec"]["template"]["spec"]["containers"][0]
        for kind, path in (
            ("startupProbe", "/readyz"),
            ("readinessProbe", "/readyz"),
            ("livenessProbe", "/livez"),
        ):
            asked = container.get(kind, {}).get("httpGet", {})
            if asked.get("path", "").partition("?")[0] != path or asked.get("port") != "health":
                yield f"{name}: {kind} does not ask {path} on the port health"
            elif container[kind].get("timeoutSeconds", 1) <= 3 and path == "/readyz":
                yield f"{name}: {kind} gives up before the service's own checks do (3 s)"
    for r in of(resources, "StatefulSet"):
        container = r["spec"]["template"]["spec"]["containers"][0]
        if not {"readinessProbe", "livenessProbe"} <= set(container):
            yield f"{r['metadata']['name']}: a probe is missing"


def limits(resources: list[Resource]) -> Iterator[str]:
    """Requests of both, a memory limit no smaller than the request, bounded scratch space."""
    for name, container in containers(resources):
        asked = container.get("resources", {}).get("requests", {})
        limit = container.get("resources", {}).get("limits", {})
        for what in ("cpu", "memory", "ephemeral-storage"):
            if what not in asked:
                yield f"{name}: no request of {what}"
        for what in ("memory", "ephemeral-storage"):
            if what not in limit:
                yield f"{name}: no limit of {what}"
        if quantity(limit.get("memory", "0")) < quantity(asked.get("memory", "0")):
            yield f"{name}: the memory limit is below the request"
    for name, pod in pods(resources):
        for volume in pod["spec"].get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{name}: the volume {volume['name']} has no bound"


def quantity(text: str) -> float:
    for suffix, factor in (("Ki", 2**10), ("Mi", 2**20), ("Gi", 2**30), ("m", 1e-3)):
        if str(text).endswith(suffix):
            return float(str(text).removesuffix(suffix)) * factor
    return float(text)


def security(resources: list[Resource]) -> Iterator[str]:
    """What Pod Security's restricted profile asks, and a read-only root."""
    for name, pod in pods(resources):
        context = pod["spec"].get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{name}: does not say that it is not root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name}: no seccomp profile"
        if pod["spec"].get("automountServiceAccountToken") is not False:
            yield f"{name}: gets a service account token"
        shared = [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod["spec"].get(key)]
        if shared or any("hostPath" in volume for volume in pod["spec"].get("volumes", [])):
            yield f"{name}: shares what is the node's"
    yield from _contained(resources)
    for r in of(resources, "ServiceAccount"):
        if r.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {r['metadata']['name']}: hands out tokens"
    for r in of(resources, "Namespace"):
        labels = r["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"Namespace {r['metadata']['name']}: Pod Security is not restricted"


def _contained(resources: list[Resource]) -> Iterator[str]:
    for name, container in containers(resources):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{name}: may gain privileges"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{name}: may write to its root"
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{name}: keeps capabilities"
        mounts = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
        if "/tmp" not in mounts:  # noqa: S108  # a mount path
            yield f"{name}: has no place for temporary files"


def accounts(resources: list[Resource]) -> Iterator[str]:
    """Each service is somebody of its own."""
    for service in SERVICES:
        deployment = named(resources, "Deployment", service)
        if deployment is None:
            yield f"{service}: no Deployment"
        elif deployment["spec"]["template"]["spec"].get("serviceAccountName") != service:
            yield f"{service}: does not run as its own service account"
        elif named(resources, "ServiceAccount", service) is None:
            yield f"{service}: no ServiceAccount"


# -- going and coming ----------------------------------------------------------------------------


def grace(resources: list[Resource]) -> Iterator[str]:
    """preStop + drain + something to spare fit into the grace period."""
    for r in of(resources, "Deployment"):
        spec = r["spec"]["template"]["spec"]
        container = spec["containers"][0]
        name = r["metadata"]["name"]
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = next(
            (float(e["value"]) for e in container["env"] if e["name"] == "CHATTERY_DRAIN_SECONDS"),
            None,
        )
        if pause < 3:
            yield f"{name}: no preStop pause for endpoints to be taken out"
        if drain is None:
            yield f"{name}: does not say how long it drains"
        elif spec.get("terminationGracePeriodSeconds", 30) < pause + drain + SPARE:
            yield f"{name}: is killed before it has drained"


def rollout(resources: list[Resource]) -> Iterator[str]:
    """Rolled without a gap, spread over zones and nodes."""
    for r in of(resources, "Deployment"):
        name = r["metadata"]["name"]
        rolling = r["spec"].get("strategy", {}).get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0 or not rolling.get("maxSurge"):
            yield f"{name}: a rollout takes away pods before new ones are there"
        spread = r["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
        keys = {s["topologyKey"] for s in spread if selects(s["labelSelector"], labels(r))}
        if not {"topology.kubernetes.io/zone", "kubernetes.io/hostname"} <= keys:
            yield f"{name}: is not spread over zones and nodes"


def disruptions(resources: list[Resource]) -> Iterator[str]:
    """A node may be drained, one pod at a time."""
    budgets = of(resources, "PodDisruptionBudget")
    for r in of(resources, "Deployment"):
        mine = [b for b in budgets if selects(b["spec"]["selector"], labels(r))]
        if not mine:
            yield f"{r['metadata']['name']}: no PodDisruptionBudget"
        for budget in mine:
            if budget["spec"].get("maxUnavailable") != 1:
                yield f"{r['metadata']['name']}: the budget should let one pod go"


def scaling(resources: list[Resource]) -> Iterator[str]:
    """Two replicas at least, more under load, and one autoscaler that decides."""
    for r in of(resources, "Deployment"):
        name = r["metadata"]["name"]
        found = [
            a
            for a in of(resources, "HorizontalPodAutoscaler", "ScaledObject")
            if a["spec"]["scaleTargetRef"]["name"] == name
        ]
        if len(found) != 1:
            yield f"{name}: {len(found)} autoscalers"
            continue
        least = found[0]["spec"].get("minReplicas") or found[0]["spec"].get("minReplicaCount") or 0
        if least < 2:
            yield f"{name}: fewer than two replicas"
        if "replicas" in r["spec"]:
            yield f"{name}: an apply would undo what the autoscaler decided"


def images(resources: list[Resource]) -> Iterator[str]:
    """By digest: what was tested is what runs."""
    for name, container in containers(resources):
        _, at, digest = container["image"].partition("@sha256:")
        if not at or len(digest) != 64:
            yield f"{name}: the image is not pinned by digest"


def migrations(resources: list[Resource]) -> Iterator[str]:
    """A Job a service with a schema, bounded, and run before the pods."""
    for service in ("gateway", "chat", "ingest", "webhooks"):
        job = named(resources, "Job", f"migrate-{service}")
        if job is None:
            yield f"{service}: no migration"
            continue
        deployment = named(resources, "Deployment", service)
        image = job["spec"]["template"]["spec"]["containers"][0]["image"]
        if deployment and image != deployment["spec"]["template"]["spec"]["containers"][0]["image"]:
            yield f"{service}: migrates with another image than it runs"
        if not job["spec"].get("activeDeadlineSeconds") or "backoffLimit" not in job["spec"]:
            yield f"{service}: a migration may go on for ever"
        waves = job["metadata"].get("annotations", {})
        if int(waves.get("argocd.argoproj.io/sync-wave", "0")) >= 0:
            yield f"{service}: the migration does not come before the pods"


def secrets(resources: list[Resource]) -> Iterator[str]:
    """No secret is in the manifests: by reference alone."""
    for r in of(resources, "Secret"):
        yield f"Secret {r['metadata']['name']} is in the manifests"
    for r in of(resources, "ConfigMap"):
        for key in r.get("data", {}):
            if any(word in key for word in ("PASSWORD", "SECRET", "TOKEN", "API_KEY", "KEYRING")):
                yield f"ConfigMap {r['metadata']['name']}: {key} belongs into a Secret"
    for name, container in containers(resources):
        for entry in container.get("env", []):
            secret = any(w in entry["name"] for w in ("PASSWORD", "SECRET", "TOKEN", "_KEY", "URL"))
            if secret and "value" in entry:
                yield f"{name}: {entry['name']} is written out"


# -- who reaches whom ------------------------------------------------------------------------------


def network(resources: list[Resource]) -> Iterator[str]:
    """Default deny, then exactly the paths that are used."""
    policies = of(resources, "NetworkPolicy")
    if not any(
        p["spec"]["podSelector"] == {} and set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        for p in policies
    ):
        yield "no default deny"
    for name, pod in pods(resources):
        mine = [
            p
            for p in policies
            if p["spec"]["podSelector"]
            and selects(p["spec"]["podSelector"], pod["metadata"]["labels"])
        ]
        if not any({"Ingress", "Egress"} == set(p["spec"]["policyTypes"]) for p in mine):
            yield f"{name}: no NetworkPolicy of its own"
    for policy in policies:
        yield from _world(policy)


def paths(resources: list[Resource]) -> Iterator[str]:
    """What a service is told of is what it can reach, no more and no less."""
    for r in of(resources, "Deployment"):
        name = r["metadata"]["name"]
        container = r["spec"]["template"]["spec"]["containers"][0]
        told = {entry["name"] for entry in container["env"]} | settings_of(container, resources)
        needed = {53, 4318, *(port for url, port in DEPENDENCIES.items() if url in told)}
        needed |= WORLD.get(name, set())
        reached = {
            port["port"]
            for p in of(resources, "NetworkPolicy")
            if p["spec"]["podSelector"] and selects(p["spec"]["podSelector"], labels(r))
            for rule in p["spec"].get("egress", [])
            for port in rule["ports"]
        }
        if reached != needed:
            yield f"{name}: reaches the ports {sorted(reached)}, needs {sorted(needed)}"


def settings_of(container: Resource, resources: list[Resource]) -> set[str]:
    """Variables that come from ConfigMaps, as far as they are this service's business."""
    found: set[str] = set()
    for source in container.get("envFrom", []):
        config = named(resources, "ConfigMap", source["configMapRef"]["name"])
        found |= set(config["data"]) if config else set()
    return found - ({"QDRANT_URL"} if container["name"] not in WITH_VECTORS else set())


def _world(policy: Resource) -> Iterator[str]:
    name = policy["metadata"]["name"]
    for rule in policy["spec"].get("egress", []):
        if not rule.get("to") or not rule.get("ports"):
            yield f"NetworkPolicy {name}: egress to anywhere"
        for to in rule.get("to", []):
            block = to.get("ipBlock")
            if block is None:
                continue
            if name not in WORLD:
                yield f"NetworkPolicy {name}: has no business in the world"
            if block["cidr"] == "0.0.0.0/0" and not set(block.get("except", [])) >= PRIVATE:
                yield f"NetworkPolicy {name}: reaches the cluster's own ranges"
    for rule in policy["spec"].get("ingress", []):
        if not rule.get("from") or not rule.get("ports"):
            yield f"NetworkPolicy {name}: open to anyone"


def streams(resources: list[Resource]) -> Iterator[str]:
    """Answers are streams: no timeout on the way cuts them."""
    for route in of(resources, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            timeouts = rule.get("timeouts", {})
            if timeouts.get("request") != "0s" or timeouts.get("backendRequest") != "0s":
                yield f"HTTPRoute {route['metadata']['name']}: a timeout cuts streams"
    for ingress in of(resources, "Ingress"):
        notes = ingress["metadata"].get("annotations", {})
        if int(notes.get("nginx.ingress.kubernetes.io/proxy-read-timeout", "60")) < 600:
            yield f"Ingress {ingress['metadata']['name']}: a timeout cuts streams"
        if notes.get("nginx.ingress.kubernetes.io/proxy-buffering") != "off":
            yield f"Ingress {ingress['metadata']['name']}: holds answers back"


def labels(deployment: Resource) -> dict[str, str]:
    return deployment["spec"]["template"]["metadata"]["labels"]


def selects(selector: dict[str, Any], found: dict[str, str]) -> bool:
    """Whether a label selector means these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if found.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        inside = found.get(expression["key"]) in expression.get("values", [])
        if inside != (expression["operator"] == "In"):
            return False
    return True


EVERYWHERE: tuple[Policy, ...] = (
    *(probes, limits, security, accounts, grace, rollout, disruptions),
    *(migrations, secrets, network, paths, streams),
)
PRODUCTION: tuple[Policy, ...] = (*EVERYWHERE, images, scaling)

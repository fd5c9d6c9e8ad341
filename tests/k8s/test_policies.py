"""The manifests keep the policies, and a part taken out is noticed."""

import copy

import pytest

from deploy.k8s import policies
from deploy.k8s.policies import EVERYWHERE, PRODUCTION, named


@pytest.mark.parametrize("policy", PRODUCTION, ids=lambda p: p.__name__)
def test_production_keeps(policy, production) -> None:
    assert list(policy(production)) == []


@pytest.mark.parametrize("policy", EVERYWHERE, ids=lambda p: p.__name__)
def test_dev_keeps(policy, dev) -> None:
    assert list(policy(dev)) == []


# -- mutations: take one thing out, and the policy that watches it complains -------------------


def pod(resources: list[dict], kind: str = "Deployment", name: str = "chat") -> dict:
    return named(resources, kind, name)["spec"]["template"]["spec"]


def container(resources: list[dict], kind: str = "Deployment", name: str = "chat") -> dict:
    return pod(resources, kind, name)["containers"][0]


def without(kind: str, name: str):
    def mutate(resources: list[dict]) -> None:
        resources.remove(named(resources, kind, name))

    return mutate


def egress(resources: list[dict], name: str) -> list[dict]:
    return named(resources, "NetworkPolicy", name)["spec"]["egress"]


def block(resources: list[dict], name: str) -> dict:
    rule = next(r for r in egress(resources, name) if "ipBlock" in r["to"][0])
    return rule["to"][0]["ipBlock"]


MUTATIONS = {
    "probes": [
        lambda r: container(r).pop("startupProbe"),
        lambda r: container(r).pop("readinessProbe"),
        lambda r: container(r).pop("livenessProbe"),
        lambda r: container(r)["livenessProbe"]["httpGet"].update(path="/readyz"),
        lambda r: container(r)["readinessProbe"].pop("timeoutSeconds"),
    ],
    "limits": [
        lambda r: container(r).pop("resources"),
        lambda r: container(r)["resources"]["limits"].pop("memory"),
        lambda r: container(r)["resources"]["requests"].pop("cpu"),
        lambda r: container(r)["resources"]["requests"].update(memory="64Gi"),
        lambda r: container(r, "Job", "migrate-chat")["resources"].pop("limits"),
        lambda r: pod(r)["volumes"][0].update(emptyDir={}),
    ],
    "security": [
        lambda r: pod(r).pop("securityContext"),
        lambda r: container(r).pop("securityContext"),
        lambda r: container(r)["securityContext"].pop("readOnlyRootFilesystem"),
        lambda r: container(r)["securityContext"].pop("allowPrivilegeEscalation"),
        lambda r: container(r)["securityContext"].pop("capabilities"),
        lambda r: pod(r)["securityContext"].pop("runAsNonRoot"),
        lambda r: pod(r)["securityContext"].pop("seccompProfile"),
        lambda r: pod(r).pop("automountServiceAccountToken"),
        lambda r: container(r).pop("volumeMounts"),
        lambda r: pod(r).update(hostNetwork=True),
        lambda r: named(r, "ServiceAccount", "chat").pop("automountServiceAccountToken"),
        lambda r: named(r, "Namespace", "chattery")["metadata"].pop("labels"),
    ],
    "accounts": [without("ServiceAccount", "chat"), lambda r: pod(r).pop("serviceAccountName")],
    "grace": [
        lambda r: pod(r).update(terminationGracePeriodSeconds=30),
        lambda r: container(r).pop("lifecycle"),
        lambda r: container(r)["env"].pop(0),
    ],
    "rollout": [
        lambda r: named(r, "Deployment", "chat")["spec"].pop("strategy"),
        lambda r: pod(r).pop("topologySpreadConstraints"),
    ],
    "disruptions": [
        without("PodDisruptionBudget", "webhooks"),
        lambda r: named(r, "PodDisruptionBudget", "chat")["spec"].update(maxUnavailable=0),
    ],
    "scaling": [
        without("ScaledObject", "ingest"),
        without("HorizontalPodAutoscaler", "ratelimit"),
        lambda r: named(r, "ScaledObject", "chat")["spec"].update(minReplicaCount=1),
        lambda r: named(r, "Deployment", "chat")["spec"].update(replicas=2),
    ],
    "images": [
        lambda r: container(r).update(image="ghcr.io/chattery/chat:latest"),
        lambda r: container(r).update(image="ghcr.io/chattery/chat"),
        lambda r: container(r, "Job", "migrate-chat").update(image="ghcr.io/chattery/chat:1"),
    ],
    "migrations": [
        without("Job", "migrate-webhooks"),
        lambda r: named(r, "Job", "migrate-chat")["metadata"].pop("annotations"),
        lambda r: named(r, "Job", "migrate-chat")["spec"].pop("activeDeadlineSeconds"),
        lambda r: container(r, "Job", "migrate-chat").update(image="another"),
    ],
    "secrets": [
        lambda r: container(r)["env"].append({"name": "ANTHROPIC_API_KEY", "value": "sk"}),
        lambda r: r.append({"kind": "Secret", "metadata": {"name": "x"}}),
    ],
    "network": [
        without("NetworkPolicy", "default-deny"),
        without("NetworkPolicy", "ratelimit"),
        without("NetworkPolicy", "migrations"),
        lambda r: block(r, "ingest").pop("except"),
        lambda r: block(r, "webhooks")["except"].remove("169.254.0.0/16"),
        lambda r: egress(r, "ratelimit").append({"to": [{"ipBlock": {"cidr": "1.1.1.1/32"}}]}),
        lambda r: egress(r, "chat").append({"ports": [{"port": 443}]}),
    ],
    "paths": [
        lambda r: egress(r, "webhooks").pop(0),
        lambda r: egress(r, "chat")[-1]["ports"].append({"port": 6379}),
        without("NetworkPolicy", "gateway"),
    ],
    "streams": [
        lambda r: named(r, "HTTPRoute", "chattery")["spec"]["rules"][0].pop("timeouts"),
    ],
}


@pytest.mark.parametrize(
    ("policy", "number"),
    [(name, number) for name, mutations in MUTATIONS.items() for number in range(len(mutations))],
)
def test_a_part_taken_out_is_noticed(policy: str, number: int, production) -> None:
    mutated = copy.deepcopy(production)

    MUTATIONS[policy][number](mutated)

    assert list(getattr(policies, policy)(mutated))


def test_every_policy_has_been_seen_to_complain() -> None:
    assert {policy.__name__ for policy in PRODUCTION} == set(MUTATIONS)

"""What is only filled in for a release is refused until it is."""

import copy
import json

from deploy.k8s.release import EXAMPLE, NO_DIGEST, placeholders


def test_the_overlay_of_the_repository_is_not_for_a_cluster(production) -> None:
    found = "\n".join(placeholders(production))
    for service in ("gateway", "ratelimit", "chat", "ingest", "webhooks"):
        assert f"Deployment {service}" in found
    for job in ("gateway", "chat", "ingest", "webhooks"):
        assert f"Job migrate-{job}" in found
    assert "HTTPRoute chattery" in found


def test_what_is_filled_in_is_let_through_and_one_zero_digest_is_not(production) -> None:
    filled = json.loads(
        json.dumps(production)
        .replace(NO_DIGEST, "sha256:" + "1a" * 32)
        .replace(EXAMPLE, "example.org")
    )
    assert list(placeholders(filled)) == []

    one = copy.deepcopy(filled)
    job = next(r for r in one if r["kind"] == "Job")
    container = job["spec"]["template"]["spec"]["containers"][0]
    container["image"] = container["image"].partition("@")[0] + "@" + NO_DIGEST
    assert len(list(placeholders(one))) == 1

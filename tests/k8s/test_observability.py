"""Dashboards and alerts use what exists, and alerts fire when they should and not before."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from deploy.grafana import build
from deploy.k8s import rules
from tests.k8s.conftest import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks"
# Of the client library and of the kubelet; every process has them.
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def alerts() -> list[dict]:
    return [rule for group in rules.groups() for rule in group["rules"]]


def used(query: str) -> set[str]:
    return set(re.findall(r"\b(?:chattery|process)_\w+", query))


def test_dashboards_are_written_from_their_tables() -> None:
    written = {path.name: path.read_text() for path in build.HERE.glob("*.json")}
    assert written == build.dashboards(), "run `python -m deploy.grafana.build`"


@pytest.mark.parametrize("name", sorted(build.dashboards()))
def test_a_dashboard_asks_for_metrics_and_labels_that_exist(name, metrics) -> None:
    board = json.loads(build.dashboards()[name])
    queries = [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]
    assert queries
    for query in queries:
        assert used(query), query
        assert used(query) - metrics - PROCESS == set(), query
        assert grouped(query) - labels(used(query)) == set(), query


def grouped(query: str) -> set[str]:
    """The labels that a query sums by, but for those that Prometheus adds."""
    found = {
        key.strip() for keys in re.findall(r"by \(([^)]*)\)", query) for key in keys.split(",")
    }
    return found - {"pod", "le", "namespace"}


def labels(names: set[str]) -> set[str]:
    from prometheus_client import REGISTRY

    collectors = [REGISTRY._names_to_collectors[name] for name in names - PROCESS]
    return {label for collector in collectors for label in collector._labelnames}


def test_every_service_has_a_dashboard_with_the_golden_signals() -> None:
    for service in build.SERVICES:
        text = build.dashboards()[f"{service}.json"]
        for signal in ("Latency", "Traffic", "Errors", "Event loop lag"):
            assert signal in text


def test_no_metric_has_a_label_without_bounds(metrics) -> None:
    from prometheus_client import REGISTRY

    tenants = {"account", "account_id", "chatbot", "chatbot_id", "visitor", "ip", "url", "host"}
    for collector in set(REGISTRY._names_to_collectors.values()):
        assert not tenants & set(getattr(collector, "_labelnames", ()))


def test_alerts_ask_for_metrics_that_exist(metrics) -> None:
    for alert in alerts():
        assert used(alert["expr"]) - metrics == set(), alert["alert"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    named = {alert["alert"] for alert in alerts()}
    assert {path.stem for path in RUNBOOKS.glob("Chattery*.md")} == named
    for alert in alerts():
        assert alert["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{alert['alert']}.md")
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert f"({alert['alert']}.md)" in (RUNBOOKS / "README.md").read_text()


def expected(case: dict, found: dict) -> dict:
    rule = next(
        a
        for a in alerts()
        if a["alert"] == case["alert"] and a["labels"].get("service") == found.get("service")
    )
    return {"exp_labels": {**rule["labels"], **found}}


def test_alerts_fire_when_they_should_and_not_before(tmp_path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("The alerts' tests need promtool: run `apt install prometheus`.", pytrace=False)
    bare = [{**a, "annotations": {}} for a in alerts()]  # their words are not promtool's business
    rule_file = {"groups": [{"name": "chattery", "rules": bare}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule_file, width=1000))
    cases = yaml.safe_load((ROOT / "tests" / "k8s" / "alerts.yaml").read_text())
    assert {case["alert"] for case in cases} == {alert["alert"] for alert in alerts()}
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": []}
    for case in cases:
        # Before the trouble has lasted, and where there is none, nothing fires.
        tests["tests"].append(
            {
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in case["series"].items()],
                "alert_rule_test": [
                    {"eval_time": "0m", "alertname": case["alert"], "exp_alerts": []},
                    {
                        "eval_time": case["at"],
                        "alertname": case["alert"],
                        "exp_alerts": [expected(case, found) for found in case["labels"]],
                    },
                ],
            }
        )
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests, width=1000))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

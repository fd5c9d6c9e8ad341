"""``python -m deploy.k8s.rules FILE`` writes the alert rules as Prometheus itself reads them."""

import sys
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).parent / "components" / "alerts" / "prometheusrule.yaml"


def groups() -> list[dict[str, Any]]:
    return yaml.safe_load(SOURCE.read_text())["spec"]["groups"]


def main() -> None:
    Path(sys.argv[1]).write_text(yaml.safe_dump({"groups": groups()}, width=1000))


if __name__ == "__main__":
    main()

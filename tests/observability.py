"""What deploy/observability/ holds, for tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
HERE = ROOT / "deploy/observability"
DASHBOARDS = sorted((HERE / "grafana/dashboards").glob("*.json"))


def alerts() -> Mapping[str, dict[str, Any]]:
    """The alerts by their names."""
    groups = yaml.safe_load((HERE / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def dashboard(path: Path) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def expressions() -> Mapping[str, str]:
    """Every expression of alerts and dashboards, by where it is."""
    found = {f"alert {name}": rule["expr"] for name, rule in alerts().items()}
    for path in DASHBOARDS:
        for panel in dashboard(path)["panels"]:
            for target in panel["targets"]:
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return found

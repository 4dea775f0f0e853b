"""Rows of docs/observability.md on metrics, from the code: `python -m tests.unit.observability.table` prints them."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

PROCESSES = ("ingestion", "warehouse", "segments", "connectors", "profiles")
MODULES = {
    "all": "services.kit.metrics",
    "authz": "edge.metrics",
    **{process: f"services.{process}.metrics" for process in PROCESSES},
}


def lines() -> Sequence[str]:
    """A row for each metric: its name, kind, labels, who tells it, and what it is."""
    rows = []
    for process, module in MODULES.items():
        named: list[Any] = list(vars(import_module(module)).values())
        told = [metric for metric in named if getattr(metric, "_name", "").startswith("segops_")]
        rows += [_row(metric, process) for metric in sorted(told, key=lambda metric: str(metric._name))]
    return rows


def _row(metric: Any, process: str) -> str:
    name = f"{metric._name}_total" if metric._type == "counter" else metric._name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"| `{name}` | {metric._type} | {labels} | {process} | {metric._documentation} |"


if __name__ == "__main__":
    print("\n".join(lines()))

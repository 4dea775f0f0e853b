"""The Helm chart as Helm renders it, with the values that are committed or others."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

from tests.composed import ROOT

CHART = ROOT / "deploy/helm/segops"
# What `kubectl explain` calls workloads: each has a template of pods.
WORKLOADS = {"Deployment", "StatefulSet", "Job"}

Manifest = dict[str, Any]


def values(name: str) -> dict[str, Any]:
    """Of `values-<name>.yaml`."""
    loaded: dict[str, Any] = yaml.safe_load((CHART / f"values-{name}.yaml").read_text())
    return loaded


def render(chosen: Mapping[str, Any]) -> list[Manifest]:
    """Everything that an installation with these values has. Raises helm.HelmError for values that do not do."""
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(dict(chosen), name="segops", namespace="segops")
    return [
        manifest
        for path, text in files.items()
        if Path(path).suffix == ".yaml"
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


@cache
def rendered(name: str) -> tuple[Manifest, ...]:
    """The same with committed values; for reading only."""
    return tuple(render(values(name)))


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def named(manifests: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    """The only one of this kind and name."""
    [found] = [manifest for manifest in of_kind(manifests, kind) if manifest["metadata"]["name"] == name]
    return found


def pods(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    """The template of each workload's pods, by the workload's name."""
    for workload in of_kind(manifests, *WORKLOADS):
        yield workload["metadata"]["name"], workload["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    """All of a pod, those that come first too."""
    found: list[Manifest] = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    return found


def selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """Whether a selector by labels finds what has these."""
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()

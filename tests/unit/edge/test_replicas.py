"""Envoy's clusters, where services have replicas."""

from pathlib import Path
from typing import Any

import yaml

from edge.render import render
from services.kit.settings import Settings

SERVICES = ("authz", "identity", "ingestion", "segments", "connectors", "profiles")


def clusters(home: Path, **addresses: str) -> dict[str, dict[str, Any]]:
    """The clusters by name, for a platform with these addresses."""
    home.joinpath("run").mkdir()
    render(Settings(data_dir=home).model_copy(update=addresses), home / "envoy.yaml")
    config = yaml.safe_load((home / "envoy.yaml").read_text())
    return {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}


def endpoints(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    [locality] = cluster["load_assignment"]["endpoints"]
    return [endpoint["endpoint"]["address"] for endpoint in locality["lb_endpoints"]]


def test_each_replica_of_a_list_is_an_endpoint(tmp_path: Path) -> None:
    found = clusters(
        tmp_path, segments_address="unix:/a.sock,unix:/b.sock", profiles_address="10.0.0.1:50051,10.0.0.2:50051"
    )
    assert endpoints(found["segments"]) == [{"pipe": {"path": "/a.sock"}}, {"pipe": {"path": "/b.sock"}}]
    assert found["segments"]["type"] == "STATIC"
    hosts = [endpoint["socket_address"]["address"] for endpoint in endpoints(found["profiles"])]
    assert hosts == ["10.0.0.1", "10.0.0.2"]


def test_a_name_is_looked_up_again_and_again(tmp_path: Path) -> None:
    found = clusters(tmp_path, segments_address="segments:50051")["segments"]
    assert found["type"] == "STRICT_DNS"
    assert endpoints(found) == [{"socket_address": {"address": "segments", "port_value": 50051}}]


def test_of_every_service_the_ready_replicas_are_asked_and_all_where_none_is(tmp_path: Path) -> None:
    found = clusters(tmp_path)
    for name in SERVICES:
        [check] = found[name]["health_checks"]
        assert check["interval"] == "1s"
        assert found[name]["common_lb_config"] == {"healthy_panic_threshold": {"value": 1}}
        thresholds = found[name]["circuit_breakers"]["thresholds"]
        assert all(limits["max_retries"] == limits["max_requests"] for limits in thresholds)

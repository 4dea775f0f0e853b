"""Envoy's configuration for this machine: the committed envoy.yaml with this platform's addresses in place."""

from pathlib import Path
from typing import Any

import yaml

from services.kit.settings import Settings

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "envoy.yaml"


def render(settings: Settings, out: Path) -> None:
    """Writes the configuration to `out`: ports, sockets, limits and absolute paths from the settings."""
    config = yaml.safe_load(COMMITTED.read_text())
    config["admin"]["address"] = {"pipe": {"path": str(settings.run_dir / "envoy-admin.sock")}}
    for listener in config["static_resources"]["listeners"]:
        address = listener["address"]["socket_address"]
        address["address"], address["port_value"] = settings.edge_host, settings.edge_port
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        filters = {item["name"]: item["typed_config"] for item in manager["http_filters"]}
        filters["transcode"]["proto_descriptor"] = str(ROOT / filters["transcode"]["proto_descriptor"])
        _limit_addresses(filters["limit_addresses"], settings.edge_requests_per_second)
    for cluster in config["static_resources"]["clusters"]:
        _point(cluster, settings.address(cluster["name"]))
    out.write_text(yaml.safe_dump(config, sort_keys=False))


def _limit_addresses(limiter: dict[str, Any], requests_per_second: int) -> None:
    for bucket in (limiter["token_bucket"], *(item["token_bucket"] for item in limiter["descriptors"])):
        bucket["max_tokens"] = bucket["tokens_per_fill"] = requests_per_second


def _point(cluster: dict[str, Any], address: str) -> None:
    """Points a cluster to a gRPC-style address: `unix:/path` or `host:port`."""
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    if address.startswith("unix:"):
        cluster["type"] = "STATIC"
        endpoint["address"] = {"pipe": {"path": address.removeprefix("unix:")}}
    else:
        host, _, port = address.rpartition(":")
        endpoint["address"] = {"socket_address": {"address": host, "port_value": int(port)}}

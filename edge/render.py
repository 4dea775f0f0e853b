"""Envoy's configuration: the committed envoy.yaml with this platform's addresses in place.

`python -m edge.render DIRECTORY` writes it where a container of Envoy finds all that it needs, under the same path.
"""

import resource
import shutil
import sys
from collections.abc import Sequence
from copy import deepcopy
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import yaml

from edge.envoy_addresses import envoy_address
from edge.telemetry import observe
from services.kit.settings import Settings

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "envoy.yaml"
DESCRIPTORS = ROOT / "services/gen/segops.binpb"
FORWARDED_TYPE = "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig"
TLS_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def render(settings: Settings, out: Path, descriptors: Path = DESCRIPTORS) -> None:
    """Writes the configuration to `out`: ports, sockets, limits and absolute paths from the settings.

    `descriptors` is where Envoy finds those of the services.
    """
    config = yaml.safe_load(COMMITTED.read_text())
    admin = settings.edge_admin_listen or f"unix:{settings.run_dir / 'envoy-admin.sock'}"
    config["admin"]["address"] = envoy_address(admin)
    _limit_connections(config["overload_manager"])
    for listener in config["static_resources"]["listeners"]:
        address = listener["address"]["socket_address"]
        address["address"], address["port_value"] = settings.edge_host, settings.edge_port
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        filters = {item["name"]: item["typed_config"] for item in manager["http_filters"]}
        filters["transcode"]["proto_descriptor"] = str(descriptors)
        _limit_addresses(filters["limit_addresses"], settings.edge_requests_per_second)
        _trust(listener, settings.proxy_networks)
        for chain in listener["filter_chains"]:
            _encrypt(chain, settings)
    for cluster in config["static_resources"]["clusters"]:
        _point(cluster, settings.addresses(cluster["name"]))
    observe(config, settings)
    out.write_text(yaml.safe_dump(config, sort_keys=False))


def _limit_connections(manager: dict[str, Any]) -> None:
    """Takes connections for half of the files that a process may open here: the other half is for all else."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return
    for monitor in manager["resource_monitors"]:
        limits = monitor["typed_config"]
        if "max_active_downstream_connections" in limits:
            limits["max_active_downstream_connections"] = min(limits["max_active_downstream_connections"], files // 2)


def _limit_addresses(limiter: dict[str, Any], requests_per_second: int) -> None:
    for bucket in (limiter["token_bucket"], *(item["token_bucket"] for item in limiter["descriptors"])):
        bucket["max_tokens"] = bucket["tokens_per_fill"] = requests_per_second


def _trust(listener: dict[str, Any], proxies: Sequence[IPv4Network | IPv6Network]) -> None:
    """Believes X-Forwarded-For and X-Forwarded-Proto on connections from `proxies`, and on no other.

    The client is the last address in X-Forwarded-For that is no proxy.
    """
    if not proxies:
        return
    networks = [{"address_prefix": str(proxy.network_address), "prefix_len": proxy.prefixlen} for proxy in proxies]
    chain = deepcopy(listener["filter_chains"][0])
    chain["filter_chain_match"] = {"direct_source_prefix_ranges": networks}
    manager = chain["filters"][0]["typed_config"]
    # Would say who is connected.
    manager["use_remote_address"] = False
    manager["original_ip_detection_extensions"] = [
        {
            "name": "forwarded",
            "typed_config": {"@type": FORWARDED_TYPE, "xff_trusted_cidrs": {"cidrs": deepcopy(networks)}},
        }
    ]
    listener["filter_chains"].insert(0, chain)


def _encrypt(chain: dict[str, Any], settings: Settings) -> None:
    """TLS on all connections, where the settings have a certificate."""
    if not settings.edge_tls_certificate or not settings.edge_tls_key:
        return
    certificate = {
        "certificate_chain": {"filename": str(settings.edge_tls_certificate.absolute())},
        "private_key": {"filename": str(settings.edge_tls_key.absolute())},
    }
    # Older versions are broken (RFC 8996).
    versions = {"tls_minimum_protocol_version": "TLSv1_2"}
    context = {"tls_certificates": [certificate], "tls_params": versions, "alpn_protocols": ["h2", "http/1.1"]}
    chain["transport_socket"] = {"name": "tls", "typed_config": {"@type": TLS_TYPE, "common_tls_context": context}}
    # As long as for the headers that come next.
    chain["transport_socket_connect_timeout"] = "10s"


def _point(cluster: dict[str, Any], replicas: Sequence[str]) -> None:
    """Points a cluster to replicas, each at `unix:/path` or `host:port`."""
    endpoints = [{"endpoint": {"address": envoy_address(replica)}} for replica in replicas]
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    if replicas[0].startswith("unix:"):
        cluster["type"] = "STATIC"


def main(directory: Path) -> None:
    """Writes the configuration and the descriptors to a directory."""
    shutil.copy(DESCRIPTORS, directory)
    render(Settings(), directory / "envoy.yaml", directory.absolute() / DESCRIPTORS.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

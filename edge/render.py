"""Envoy's configuration for this machine: the committed envoy.yaml with this platform's addresses in place."""

import resource
from collections.abc import Sequence
from copy import deepcopy
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import yaml

from services.kit.settings import Settings

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "envoy.yaml"
FORWARDED_TYPE = "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig"
TLS_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def render(settings: Settings, out: Path) -> None:
    """Writes the configuration to `out`: ports, sockets, limits and absolute paths from the settings."""
    config = yaml.safe_load(COMMITTED.read_text())
    config["admin"]["address"] = {"pipe": {"path": str(settings.run_dir / "envoy-admin.sock")}}
    _limit_connections(config["overload_manager"])
    for listener in config["static_resources"]["listeners"]:
        address = listener["address"]["socket_address"]
        address["address"], address["port_value"] = settings.edge_host, settings.edge_port
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        filters = {item["name"]: item["typed_config"] for item in manager["http_filters"]}
        filters["transcode"]["proto_descriptor"] = str(ROOT / filters["transcode"]["proto_descriptor"])
        _limit_addresses(filters["limit_addresses"], settings.edge_requests_per_second)
        _trust(listener, settings.proxy_networks)
        for chain in listener["filter_chains"]:
            _encrypt(chain, settings)
    for cluster in config["static_resources"]["clusters"]:
        _point(cluster, settings.address(cluster["name"]))
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


def _point(cluster: dict[str, Any], address: str) -> None:
    """Points a cluster to a gRPC-style address: `unix:/path` or `host:port`."""
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    if address.startswith("unix:"):
        cluster["type"] = "STATIC"
        endpoint["address"] = {"pipe": {"path": address.removeprefix("unix:")}}
    else:
        host, _, port = address.rpartition(":")
        endpoint["address"] = {"socket_address": {"address": host, "port_value": int(port)}}

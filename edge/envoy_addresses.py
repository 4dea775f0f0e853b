"""Addresses as Envoy writes them."""

from typing import Any

from services.kit.addresses import host_and_port


def envoy_address(address: str) -> dict[str, Any]:
    """Envoy's word for `unix:/path` or `host:port`."""
    if address.startswith("unix:"):
        return {"pipe": {"path": address.removeprefix("unix:")}}
    host, port = host_and_port(address)
    return {"socket_address": {"address": host, "port_value": port}}

"""Addresses of a service: one, or those of its replicas."""

from collections.abc import Sequence
from ipaddress import ip_address

# What gRPC calls each kind, of which it takes a list.
SOCKET, V4, V6, NAME = "unix", "ipv4", "ipv6", "dns"


def parse(listed: str) -> Sequence[str]:
    """The addresses of a comma-separated list: each `unix:/path`, or `host:port` with a name or an IP address.

    Raises ValueError. A name stands alone, because all addresses behind it are found, and again when they change.
    """
    addresses = [address.strip() for address in listed.split(",") if address.strip()]
    kinds = {_kind(address) for address in addresses}
    if len(addresses) > 1 and (NAME in kinds or len(kinds) > 1):
        raise ValueError(
            "A list holds sockets only, IPv4 addresses only or IPv6 addresses only. Several hosts with names are one "
            "name that leads to all of them."
        )
    return addresses


def target(addresses: Sequence[str]) -> str:
    """The gRPC target of addresses."""
    kind = _kind(addresses[0])
    return f"{kind}:{','.join(address.removeprefix('unix:') for address in addresses)}"


def may_be_several(addresses: Sequence[str]) -> bool:
    """Whether more than one process may be there."""
    return len(addresses) > 1 or _kind(addresses[0]) == NAME


def host_and_port(address: str) -> tuple[str, int]:
    """Both halves of `host:port`; an IPv6 address without its brackets. Raises ValueError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{address!r} is neither `unix:/path` nor `host:port`.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _kind(address: str) -> str:
    if address.startswith("unix:"):
        return SOCKET
    host, _ = host_and_port(address)
    try:
        return V6 if ip_address(host).version == 6 else V4
    except ValueError:
        return NAME

"""Which addresses calls may go to: those of the public internet, and those that the operator allows."""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# A name as DNS has it, or as a private zone may: labels of letters, digits, hyphens and underscores.
HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)

# Not public, though `ipaddress` (3.11) takes them to be: protocol assignments, the relay of 6to4, 6to4, which hides
# an IPv4 address in an IPv6 one, and documentation. (IANA's registries of special-purpose addresses.)
SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2002::/16", "3fff::/20")))
# The only part of IPv6 that is given to hosts. What lies outside hides an IPv4 address, is local, or unassigned.
GLOBAL_UNICAST = IPv6Network("2000::/3")
# Translated to the IPv4 address in its last four bytes, where a network has IPv6 only (RFC 6052).
NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address is one of a host on the public internet."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        if address not in GLOBAL_UNICAST or address.scope_id is not None:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in SPECIAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowList:
    """Hosts and networks that calls may go to wherever they are, and also without TLS."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads hosts, addresses and CIDRs, separated by commas. Raises ValueError."""
        hosts, networks = set[str](), list[Network]()
        for entry in filter(None, (entry.strip().lower() for entry in text.split(","))):
            if "/" in entry or ":" in entry or entry.replace(".", "").isdigit():
                networks.append(ipaddress.ip_network(entry))
            elif HOST.fullmatch(entry):
                hosts.add(entry)
            else:
                raise ValueError(f"{entry!r} is not a host, an address or a CIDR")
        return cls(hosts=frozenset(hosts), networks=tuple(networks))

    def has_host(self, host: str) -> bool:
        """Whether every address of a host is allowed."""
        return host in self.hosts

    def has(self, host: str, address: Address) -> bool:
        """Whether a host is allowed at an address."""
        return self.has_host(host) or any(address in network for network in self.networks)

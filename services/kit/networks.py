"""Whom an address stands for."""

from ipaddress import IPv6Address, ip_address

# What one customer of a network gets (RFC 6177); an address alone would be one of 2**64.
IPV6_PREFIX_BITS = 64


def network(address: str) -> str:
    """An address of IPv4 itself, of IPv6 its network. What is no address stays as it is."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> IPV6_PREFIX_BITS << IPV6_PREFIX_BITS)}/{IPV6_PREFIX_BITS}"

"""Which addresses are public, and what an operator may allow."""

from ipaddress import ip_address

import pytest

from services.connectors.addresses import AllowList, is_public

PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::5", "64:ff9b::8.8.8.8")
NOT_PUBLIC = (
    # This machine and this network.
    *("127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd12:3456::1", "fec0::1"),
    # Of no host at all.
    *("192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1"),
    *("240.0.0.1", "255.255.255.255", "ff02::1", "100::1", "2001:db8::1", "3fff::1", "4000::1", "2606:4700::1%1"),
    # An IPv4 address in an IPv6 one.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:1.1.1.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a00:1"),
    *("64:ff9b:1::1.1.1.1", "2002:7f00:1::", "2002:101:101::1", "2001:0:101:101::1", "2001::7f00:1"),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(ip_address(address))


def test_hosts_addresses_and_networks_are_allowed_as_they_are_listed() -> None:
    allow = AllowList.parse(" CRM.internal, 10.1.0.0/16,192.168.1.7 ,fd00::/8,, _x.lan,")
    for host, address, is_allowed in (
        ("crm.internal", "10.9.9.9", True),
        ("_x.lan", "::1", True),
        ("other.internal", "10.1.2.3", True),
        ("other.internal", "10.2.2.3", False),
        ("sub.crm.internal", "10.2.2.3", False),
        ("a", "192.168.1.7", True),
        ("a", "192.168.1.8", False),
        ("a", "fd00::1", True),
        ("a", "::ffff:10.1.0.1", False),
    ):
        assert allow.has(host, ip_address(address)) is is_allowed, (host, address)
    assert not AllowList.parse("").has("a", ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    "wrong", ["*", "*.internal", "http://crm.internal", "crm internal", "10.0.0.0/33", "10.0.0.1/8", "1.2.3", "[::1]"]
)
def test_what_is_neither_host_nor_network_cannot_be_allowed(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        AllowList.parse(f"crm.internal,{wrong}")

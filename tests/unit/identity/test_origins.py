"""Which pages may use a public key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.origins import allows, check_origins, normal

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(".".join)


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "https://Shop.Example.com",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:3000",
        "https://*.example.com",
        "https://*.example.com:8443",
        "capacitor://localhost",
        "chrome-extension://abcdefgh",
        "https://xn--mnchen-3ya.example",
    ],
)
def test_an_origin_is_taken(origin: str) -> None:
    assert check_origins([origin]) == []


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "null",
        "example.com",
        "//example.com",
        "https://",
        "https://*",
        "https://*.com",
        "https://*.*.example.com",
        "https://a.*.example.com",
        "https://a*.example.com",
        "https://*example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com?x",
        "https://user@example.com",
        "https://example.com:",
        "https://example.com:0",
        "https://example.com:*",
        "https://example.com.",
        "https://.example.com",
        "https://exa mple.com",
        "https://example.com\n",
        "https://münchen.example",
        "*://example.com",
        "https://" + "a" * 300,
    ],
)
def test_what_is_no_origin_is_named_with_its_place(origin: str) -> None:
    (message,) = check_origins(["https://example.com", origin])
    assert message.startswith(f"[1]: '{origin[:80]}'")


def test_a_key_has_so_many_origins_and_no_more() -> None:
    assert check_origins(["https://example.com"] * 100) == []
    assert check_origins(["https://example.com"] * 101) == ["Use 100 origins or fewer."]


@given(HOST)
def test_an_origin_allows_itself_and_no_other(host: str) -> None:
    allowed = [f"https://{host}"]
    assert allows(allowed, f"https://{host}")
    assert allows(allowed, f"HTTPS://{host.upper()}:443")
    others = (
        "",
        "null",
        "*",
        f"http://{host}",
        f"https://{host}:8443",
        f"https://a.{host}",
        f"https://{host}.evil.com",
    )
    assert not any(allows(allowed, other) for other in others)


@given(HOST, LABEL)
def test_a_wildcard_is_one_label(host: str, label: str) -> None:
    allowed = [normal(f"https://*.{host}")]
    assert allows(allowed, f"https://{label}.{host}")
    others = ("", f"https://{host}", f"https://.{host}", f"https://*.{host}", f"https://a.{label}.{host}")
    assert not any(allows(allowed, other) for other in others)
    assert not allows(allowed, f"https://evil.com/.{host}")
    assert not allows(allowed, f"https://{label}{host}")
    assert not allows(allowed, f"http://{label}.{host}")


def test_a_key_without_origins_takes_any_caller() -> None:
    assert allows([], "")
    assert allows([], "https://anyone.example")


def test_a_port_that_goes_without_saying_is_the_same_origin() -> None:
    assert normal("HTTPS://Example.com:443") == "https://example.com"
    assert normal("http://example.com:80") == "http://example.com"
    assert normal("http://example.com:443") == "http://example.com:443"
    assert normal("https://example.com:8443") == "https://example.com:8443"

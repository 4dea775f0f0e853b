"""URLs that may be called, judged as they are written."""

import pytest

from services.connectors.addresses import AllowList
from services.connectors.network import NotAllowed
from services.connectors.outbound import NOT_PUBLIC, Outbound
from services.connectors.targets import CREDENTIALS, HTTPS_ONLY, MALFORMED, target_of


def test_a_url_is_sent_as_its_parts() -> None:
    target = target_of("https://Münchner-Kindl.example:8443/a b/é?q=1 2&r=%2F#part")
    assert target.host == "xn--mnchner-kindl-wob.example"
    assert target.authority == "xn--mnchner-kindl-wob.example:8443"
    assert (target.url.port, target.url.target) == (8443, b"/a%20b/%C3%A9?q=1%202&r=%2F")
    assert target_of("HTTPS://[2606:4700::1]").authority == "[2606:4700::1]"
    assert target_of("https://example.com:443").authority == "example.com"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", HTTPS_ONLY),
        ("example.com/path", HTTPS_ONLY),
        ("//example.com", HTTPS_ONLY),
        ("ftp://example.com", HTTPS_ONLY),
        ("file:///etc/passwd", HTTPS_ONLY),
        ("gopher://127.0.0.1:6379/_x", HTTPS_ONLY),
        ("https:///path", MALFORMED),
        ("https://", MALFORMED),
        ("https://exa mple.com", MALFORMED),
        ("https://exam\nple.com", MALFORMED),
        ("https://example.com:0", MALFORMED),
        ("https://example.com:65536", MALFORMED),
        ("https://example.com:port", MALFORMED),
        ("https://a..b", MALFORMED),
        (f"https://{'a' * 64}.example", MALFORMED),
        ("https://%31%32%37.0.0.1", MALFORMED),
        ("https://127.0.0.1%00.example.com", MALFORMED),
        ("https://[fe80::1%25eth0]/", MALFORMED),
        ("https://[2606:4700::1%eth0]/", MALFORMED),
        ("https://[::1", MALFORMED),
        ("https://someone@example.com", CREDENTIALS),
        ("https://someone:secret@example.com", CREDENTIALS),
        ("https://example.com\\@127.0.0.1", CREDENTIALS),
    ],
)
def test_what_is_no_https_url_of_a_host_is_refused(url: str, problem: str) -> None:
    with pytest.raises(NotAllowed) as raised:
        target_of(url)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("url", "errors"),
    [
        ("https://example.com/hook", []),
        ("https://1.1.1.1/hook", []),
        ("https://127.0.0.1/hook", [NOT_PUBLIC]),
        ("https://[::ffff:169.254.169.254]/latest", [NOT_PUBLIC]),
        ("https://[fd00::1]/hook", []),
        ("https://10.0.0.1/hook", [NOT_PUBLIC]),
        ("https://crm.internal/hook", []),
        ("http://crm.internal/hook", []),
        ("http://[fd00::1]/hook", []),
        ("http://1.1.1.1/hook", [HTTPS_ONLY]),
    ],
)
async def test_an_address_is_refused_where_it_is_written(url: str, errors: list[str]) -> None:
    assert Outbound(AllowList.parse("crm.internal, fd00::/8")).url_errors(url) == errors


async def test_plain_http_is_for_hosts_that_are_allowed() -> None:
    assert Outbound(AllowList.parse("crm.internal")).url_errors("http://example.com") == [HTTPS_ONLY]
    assert Outbound(AllowList()).url_errors("http://example.com") == [HTTPS_ONLY]
    # It may be in the network.
    assert Outbound(AllowList.parse("10.0.0.0/8")).url_errors("http://example.com") == []

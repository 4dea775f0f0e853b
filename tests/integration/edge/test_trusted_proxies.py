"""Whose word counts for where a request comes from: that of proxies the operator named, and of nobody else."""

import json
from collections.abc import Iterator

import httpx
import pytest

from services.kit.settings import Settings
from tests.integration.edge.recording import Seen, recording, seen
from tests.running import Running, wait_for

# Addresses of this machine, which a client may come from.
PROXY, INNER_PROXY, CLIENT = "127.0.0.2", "127.0.0.3", "127.0.0.9"


@pytest.fixture(scope="module", params=[f"{PROXY}/32, {INNER_PROXY}", ""], ids=["trusting", "trusting nobody"])
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An Envoy that trusts two proxies, then one that trusts nobody, before services that tell what came."""
    home = tmp_path_factory.mktemp("edge") / "data"
    running = Running(home, "envoy", variables={"SEGOPS_TRUSTED_PROXIES": request.param})
    try:
        wait_for(lambda: answers(running))
        with recording(running.settings):
            yield running
    finally:
        running.stop()


@pytest.fixture
def trusting(edge: Running, request: pytest.FixtureRequest) -> bool:
    return bool(request.node.callspec.params["edge"])


def answers(edge: Running) -> bool:
    try:
        return get(edge, CLIENT, "/healthz").status_code == 200
    except httpx.TransportError:
        return False


def get(edge: Running, source: str, path: str, **headers: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=source, verify=False)) as client:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.get(f"http://127.0.0.1:{edge.settings.edge_port}{path}", headers=sent)


def came(edge: Running, source: str, **headers: str) -> Seen:
    """What the service got of a request from an address of this machine."""
    return seen(get(edge, source, "/api/segments/", **headers).content)


def url(edge: Running, scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{edge.settings.edge_port}/api/segments/"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.1, 198.51.100.7", "198.51.100.7"),
        (f"203.0.113.1, 198.51.100.7, {INNER_PROXY}", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::7", "2001:db8::7"),
        ("not an address", PROXY),
        ("", PROXY),
    ],
)
def test_a_trusted_proxy_says_who_its_client_is(edge: Running, trusting: bool, forwarded: str, address: str) -> None:
    headers = {"x_forwarded_for": forwarded} if forwarded else {}
    assert came(edge, PROXY, **headers).address == (address if trusting else PROXY)


def test_a_trusted_proxy_says_whether_its_client_used_tls(edge: Running, trusting: bool) -> None:
    assert came(edge, PROXY, x_forwarded_for="198.51.100.7").url == url(edge, "http")
    got = came(edge, PROXY, x_forwarded_for="198.51.100.7", x_forwarded_proto="https")
    assert got.url == url(edge, "https" if trusting else "http")
    got = came(edge, PROXY, x_forwarded_for="198.51.100.7", x_forwarded_proto="gopher")
    assert got.url == url(edge, "http")


@pytest.mark.parametrize(
    "forged",
    [
        {"x_forwarded_for": "198.51.100.7"},
        {"x_forwarded_for": PROXY},
        {"x_forwarded_for": f"198.51.100.7, {PROXY}"},
        {"x_forwarded_proto": "https"},
        {"x_forwarded_host": "evil.example.com"},
        {"forwarded": "for=198.51.100.7;host=evil.example.com;proto=https"},
        {"x_real_ip": "198.51.100.7"},
        {"x_segops_address": "198.51.100.7"},
        {"x_envoy_external_address": "198.51.100.7"},
    ],
    ids=str,
)
def test_nobody_else_is_believed(edge: Running, forged: dict[str, str]) -> None:
    got = came(edge, CLIENT, **forged)
    assert (got.address, got.url) == (CLIENT, url(edge, "http"))


def test_the_access_log_names_the_client(edge: Running, trusting: bool) -> None:
    assert get(edge, PROXY, "/api/nope/", x_forwarded_for="198.51.100.7", x_request_id="wanted").status_code == 404

    def logged() -> str | None:
        lines = (edge.settings.home / "log" / "envoy.log").read_text().splitlines()
        found = [json.loads(line) for line in lines if '"wanted"' in line]
        return found[-1]["address"] if found else None

    assert wait_for(logged) == ("198.51.100.7" if trusting else PROXY)


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "proxy.example.com", "10.0.0.0/33"])
def test_what_is_no_network_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings(trusted_proxies=wrong)

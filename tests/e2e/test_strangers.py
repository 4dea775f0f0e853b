"""Calls without a valid credential are limited by the address they come from, and valid ones never suffer from them."""

import secrets
from collections.abc import Iterator
from functools import partial

import grpc
import httpx
import pytest

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.gen.segops.segments.v1 import segments_pb2_grpc
from tests.e2e.account import Account, client, register
from tests.e2e.test_rate_limits import ANY_NUMBER, await_minute, limits_of
from tests.running import Running, wait_for
from tests.scraping import scrape

CALLS = 20
# Of this machine; the edge believes what it says of its clients' addresses.
PROXY = "127.0.0.2"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An edge with a low limit, and of the services only identity."""
    running = Running(
        tmp_path_factory.mktemp("edge") / "data",
        *("postgres", "migrate", "identity", "authz", "envoy"),
        stranger_limit=CALLS,
        variables={"SEGOPS_TRUSTED_PROXIES": PROXY},
    )
    edge = f"http://127.0.0.1:{running.settings.edge_port}"
    try:
        wait_for(partial(serves, edge), 90)
        yield running
    finally:
        running.stop()


def serves(edge: str) -> bool:
    """Whether the edge answers somebody new, so that to ask takes none of the calls of others."""
    try:
        with from_afar(edge, new_address()) as somebody:
            return somebody.get("/.well-known/jwks.json").status_code == 200
    except httpx.TransportError:
        return False


def from_afar(edge: str, address: str) -> httpx.Client:
    """A client without credentials that comes from an address, by way of the proxy."""
    way = httpx.HTTPTransport(local_address=PROXY, verify=False)
    return httpx.Client(base_url=edge, headers={"x-forwarded-for": address}, transport=way)


def new_address() -> str:
    """An address that nobody has come from."""
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


@pytest.fixture(scope="module")
def url(platform: Running) -> str:
    return f"http://127.0.0.1:{platform.settings.edge_port}"


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    await_minute(10)
    with register(url) as account:
        yield account


@pytest.fixture
def somewhere() -> str:
    """An address that no other test comes from."""
    return new_address()


@pytest.fixture
def visitor(url: str, somewhere: str) -> Iterator[httpx.Client]:
    """Somebody without credentials, behind the proxy."""
    with from_afar(url, somewhere) as made:
        await_minute(10)
        yield made


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/.well-known/jwks.json", 200),
        ("POST", "/api/auth/token/refresh/", 401),
        ("GET", "/api/segments/", 401),
        ("GET", "/api/nope/", 404),
        ("DELETE", "/api/segments/", 405),
    ],
)
def test_a_stranger_is_refused_after_so_many_calls_in_a_minute(
    visitor: httpx.Client, somewhere: str, method: str, path: str, status: int
) -> None:
    body = {"refresh": "x"} if method == "POST" else None
    statuses = [visitor.request(method, path, json=body).status_code for _ in range(CALLS + 2)]
    assert statuses == [status] * CALLS + [429] * 2
    refused = visitor.request(method, path, json=body)
    assert refused.json() == {"detail": "Too many requests from this address without valid credentials."}
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "x-ratelimit-limit" not in refused.headers
    # Of the same network, then of another.
    assert visitor.get(path, headers={"x-forwarded-for": somewhere.replace("::1", "::2")}).status_code == 429
    assert visitor.request(method, path, json=body, headers={"x-forwarded-for": "2001:db8::1"}).status_code != 429


def test_whoever_guesses_keys_is_stopped_and_hinders_nobody_at_the_same_address(
    url: str, owner: Account, visitor: httpx.Client
) -> None:
    good = {"authorization": f"ApiKey {owner.key}"}
    assert visitor.get("/api/auth/me/", headers=good).status_code == 403
    guesses = [
        visitor.get("/api/auth/me/", headers={"authorization": f"{scheme} {secrets.token_hex()}"}).status_code
        for scheme in ("ApiKey", "Bearer", "Basic", "Digest")
        for _ in range(CALLS)
    ]
    assert guesses == [401] * CALLS + [429] * 3 * CALLS
    assert visitor.get("/api/auth/me/", headers=good).status_code == 403
    with client(url, f"ApiKey {owner.key}") as server:
        assert server.get("/api/auth/me/").status_code == 403


def test_forged_addresses_do_not_help(url: str) -> None:
    await_minute(10)
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(local_address="127.0.0.7", verify=False)) as forger:
        statuses = [
            forger.get("/api/segments/", headers={"x-forwarded-for": f"198.51.100.{number}"}).status_code
            for number in range(CALLS + 5)
        ]
    assert statuses == [401] * CALLS + [429] * 5


def test_health_and_signed_bodies_are_not_limited(visitor: httpx.Client) -> None:
    for path, status in (("/healthz", 200), ("/readyz", 503)):
        assert {visitor.get(path).status_code for _ in range(CALLS + 5)} == {status}
    # Nobody serves it here.
    shopify = {visitor.post("/api/ingestion/shopify/a-tenant/", json={}).status_code for _ in range(CALLS + 5)}
    assert shopify == {503}


def test_grpc_strangers_are_refused_with_a_status_of_their_own(visitor: httpx.Client) -> None:
    for _ in range(CALLS):
        visitor.get("/api/segments/")
    path = "/segops.segments.v1.SegmentsService/ListSegments"
    refused = visitor.post(path, headers={"content-type": "application/grpc", "te": "trailers"})
    assert refused.headers["grpc-status"] == "8"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_an_answer_of_the_edge_itself_tells_how_many_calls_are_left_too(platform: Running, owner: Account) -> None:
    answer = owner.server.get("/api/segments/")
    assert answer.status_code == 503
    assert limits_of(answer) == (ANY_NUMBER, ANY_NUMBER)
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        stub = segments_pb2_grpc.SegmentsServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListSegments(pb.ListSegmentsRequest(), metadata=(("authorization", f"ApiKey {owner.key}"),))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_metrics_are_for_those_who_reach_the_process_itself(
    platform: Running, owner: Account, visitor: httpx.Client
) -> None:
    for path in ("/metrics", "/metrics/", "/%6detrics", "/x/../metrics"):
        assert visitor.get(httpx.URL(path)).status_code == 404
    assert owner.server.get("/api/auth/me/", headers={"x-segops-target": ""}).status_code == 403
    told = scrape(platform.settings, "authz")
    assert told.value("segops_edge_ratelimit_store_up") == 1
    for outcome in ("Admitted", "Unauthenticated", "Forbidden", "NoRoute", "AddressExhausted"):
        assert told.value("segops_edge_decisions_total", outcome=outcome) > 0

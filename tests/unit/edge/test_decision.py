"""What is counted, whatever the answer is, and what a client is told of it."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.counts import Counts
from edge.credentials import Credentials
from edge.decision import Answer, Door
from edge.limits import Limits
from edge.public_services import public_services
from edge.routes import RouteTable
from services.gen.segops.identity.v1.credentials_pb2 import ResolvedApiKey
from services.kit.errors import NotFound, Unavailable

ROUTES = RouteTable(public_services())
CALLS = 10
STRANGER_CALLS = 5
ADDRESS = "192.0.2.1"
GOOD = "ApiKey sk_live_good"
ALSO_GOOD = [f"sk_live_{number}" for number in range(CALLS - 1)]
GOOD_HASHES = {hashlib.sha256(key.encode()).digest() for key in ["sk_live_good", *ALSO_GOOD]}
READ = "/api/segments/membership?user_id=a"


class Identity:
    """Knows the good keys of a tenant that may make CALLS a minute."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def resolve_api_key(self, key_hash: bytes) -> ResolvedApiKey:
        self.asked += 1
        if self.away:
            raise Unavailable
        if key_hash not in GOOD_HASHES:
            raise NotFound
        return ResolvedApiKey(key_id=5, tenant_id=7, key_type="secret", api_calls_per_minute=CALLS)

    def forget_keys(self) -> None:
        """Has none."""


class Edge:
    """A door, and what is sent to it."""

    def __init__(self) -> None:
        self.identity = Identity()
        limits = Limits(tenants=Counts(), addresses=Counts(), stranger_calls=STRANGER_CALLS, clock=lambda: 6_000_000.0)
        self.credentials = Credentials(
            identity=self.identity,  # type: ignore[arg-type]
            listening=lambda: True,
            limits=limits,
        )
        self._door = Door(
            routes=ROUTES,
            credentials=self.credentials,
            limits=limits,
            identity_key=Ed25519PrivateKey.generate(),
            used=lambda _: None,
        )

    async def call(
        self, method: str, target: str, authorization: str = "", address: str = ADDRESS, **headers: str
    ) -> Answer:
        sent: Any = {"x-segops-address": address, "authorization": authorization}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return await self._door.decide(method, target, sent)

    async def statuses(self, times: int, method: str, target: str, authorization: str = "") -> list[int]:
        return [(await self.call(method, target, authorization)).status for _ in range(times)]


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.mark.parametrize(
    ("method", "target", "content_type", "status"),
    [
        ("GET", READ, "", 200),
        ("GET", "/api/auth/me", "", 403),
        ("GET", "/api/nope", "", 404),
        ("PUT", "/api/segments", "", 405),
        ("POST", "/api/segments", "text/plain", 415),
        ("GET", "/api/segments?limit=x", "", 400),
        ("POST", "/segops.segments.v1.SegmentsService/ListSegments", "application/grpc", 200),
        ("POST", "/segops.segments.v1.SegmentsService/Nope", "application/grpc", 404),
        # Envoy has made gRPC of gRPC-Web before it asks; this is something else.
        ("POST", "/segops.segments.v1.SegmentsService/ListSegments", "application/grpc-web+json", 404),
    ],
)
async def test_every_call_of_a_tenant_counts_and_is_told_how_many_are_left(
    edge: Edge, method: str, target: str, content_type: str, status: int
) -> None:
    for remaining in range(CALLS - 1, -1, -1):
        answer = await edge.call(method, target, GOOD, content_type=content_type)
        assert answer.status == status
        assert {name: value for name, value in answer.headers if name.startswith("x-ratelimit-")} == {
            "x-ratelimit-limit": str(CALLS),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": "60",
        }
    answer = await edge.call(method, target, GOOD, content_type=content_type)
    said = dict(answer.headers)
    assert answer.status == 429
    assert (said["retry-after"], said["x-ratelimit-remaining"], said["x-ratelimit-reset"]) == ("60", "0", "60")
    # RESOURCE_EXHAUSTED.
    assert said["x-grpc-status"] == "8"


@pytest.mark.parametrize(
    ("method", "target", "content_type"),
    [
        ("GET", "/api/analytics/usage", ""),
        ("POST", "/segops.analytics.v1.AnalyticsService/GetUsage", "application/grpc"),
    ],
)
async def test_a_service_that_wants_to_know_is_told_how_many_calls_there_were(
    edge: Edge, method: str, target: str, content_type: str
) -> None:
    for calls in (3, 6):
        assert await edge.statuses(2, "GET", READ, GOOD) == [200, 200]
        told = dict((await edge.call(method, target, GOOD, content_type=content_type)).headers)
        assert told["x-segops-api-calls"] == str(calls)
    assert "x-segops-api-calls" not in dict((await edge.call("GET", READ, GOOD)).headers)


@pytest.mark.parametrize(
    ("method", "target", "authorization", "status"),
    [
        ("POST", "/api/auth/token", "", 200),
        ("POST", "/api/auth/token", GOOD, 200),
        ("GET", READ, "", 401),
        ("GET", READ, "ApiKey sk_live_bad", 401),
        ("GET", READ, "Nonsense", 401),
        ("GET", READ, "ApiKey " + "x" * 7_000, 401),
        ("GET", "/api/nope", "", 404),
        ("GET", "/api/nope", "ApiKey sk_live_bad", 401),
        ("PUT", "/api/segments", "", 405),
    ],
)
async def test_calls_without_good_credentials_are_limited_by_address(
    edge: Edge, method: str, target: str, authorization: str, status: int
) -> None:
    assert await edge.statuses(STRANGER_CALLS + 1, method, target, authorization) == [status] * STRANGER_CALLS + [429]
    answer = await edge.call(method, target, authorization)
    assert dict(answer.headers)["retry-after"] == "60"
    assert not any(name.startswith("x-ratelimit-") for name, _ in answer.headers)
    assert (await edge.call(method, target, authorization, address="192.0.2.2")).status == status


async def test_signed_bodies_are_not_limited_by_address(edge: Edge) -> None:
    assert set(await edge.statuses(STRANGER_CALLS * 2, "POST", "/api/ingestion/shopify/a-tenant")) == {200}


async def test_identity_is_not_asked_for_what_an_exhausted_address_shows(edge: Edge) -> None:
    for number in range(STRANGER_CALLS * 4):
        await edge.call("GET", READ, f"ApiKey sk_live_bad_{number}")
    assert edge.identity.asked == STRANGER_CALLS


async def test_a_credential_that_was_good_passes_from_an_exhausted_address(edge: Edge) -> None:
    assert await edge.statuses(1, "GET", READ, GOOD) == [200]
    assert (await edge.statuses(STRANGER_CALLS + 1, "GET", READ))[-1] == 429
    assert await edge.statuses(1, "GET", READ, GOOD) == [200]
    edge.credentials.forget("tenant:7")
    assert await edge.statuses(1, "GET", READ, GOOD) == [200]
    edge.credentials.forget_all()
    assert await edge.statuses(1, "GET", READ, GOOD) == [200]
    assert await edge.statuses(1, "GET", READ, "ApiKey sk_live_bad") == [429]


async def test_good_credentials_cost_their_address_nothing(edge: Edge) -> None:
    for key in ALSO_GOOD:
        assert await edge.statuses(1, "GET", READ, f"ApiKey {key}") == [200]
    edge.identity.away = True
    assert await edge.statuses(STRANGER_CALLS * 2, "GET", READ, "ApiKey sk_live_unknown") == [503] * STRANGER_CALLS * 2
    assert await edge.statuses(STRANGER_CALLS, "GET", READ) == [401] * STRANGER_CALLS


async def test_a_key_is_looked_up_once_however_it_is_spelled(edge: Edge) -> None:
    for spelled in (GOOD, "apikey sk_live_good", "APIKEY   sk_live_good ", "Basic c2tfbGl2ZV9nb29kOg==",
                    "Basic c2tfbGl2ZV9nb29kOnB3"):  # fmt: skip
        assert (await edge.call("GET", READ, spelled, x_tenant_slug=spelled[:3])).status == 200
    assert edge.identity.asked == 1

"""RPCs of the platform's own processes are not there for anyone who comes through the edge, whatever they show."""

import grpc
import pytest

from services.kit.caller import IDENTITY_HEADER, SERVICE_SECRET_HEADER
from services.kit.keys import SERVICE_SECRET, secret
from tests.e2e.account import Account
from tests.e2e.attacks import frames
from tests.e2e.test_every_route_is_guarded import INTERNAL
from tests.running import Running

UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED.value[0]
INFRASTRUCTURE = ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
# Of some service that is routed to the same process.
OPEN = "/segops.identity.v1.IdentityService/GetJwks"
KINDS = [b"application/grpc", b"application/grpc+json", b"application/grpc-web+proto"]


@pytest.fixture(scope="module")
def shown(platform: Running, theirs: Account, stolen: str) -> list[list[frames.Header]]:
    """Every credential there is, and what somebody inside would show."""
    inside = [(IDENTITY_HEADER, stolen), (SERVICE_SECRET_HEADER, secret(platform.settings, SERVICE_SECRET))]
    credentials = ["", f"ApiKey {theirs.key}", f"Bearer {theirs.access}"]
    sent = [[("authorization", credential)] if credential else inside for credential in credentials]
    return [[(name.encode(), value.encode()) for name, value in headers] for headers in sent]


def statuses(port: int, path: str, shown: list[list[frames.Header]]) -> set[int]:
    """What is answered to each kind of call with each credential."""
    calls = [
        frames.request(port, b"POST", path.encode(), (b"content-type", kind), (b"te", b"trailers"), *credential)
        for kind in KINDS
        for credential in shown
    ]
    return {frames.ask(port, sent, frames.NOTHING).grpc_status for sent in calls}


@pytest.mark.parametrize("rpc", [*INTERNAL, *INFRASTRUCTURE])
@pytest.mark.parametrize("before", ["", "/segops.identity.v1.IdentityService/.."])
def test_none_is_reached_by_grpc(port: int, shown: list[list[frames.Header]], before: str, rpc: str) -> None:
    assert statuses(port, before + rpc, shown) == {UNIMPLEMENTED}


def test_a_public_one_is_reached_in_each_of_these_ways(port: int, shown: list[list[frames.Header]]) -> None:
    assert statuses(port, OPEN, shown) == {0}


@pytest.mark.parametrize("rpc", [*INTERNAL, *INFRASTRUCTURE])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_none_is_reached_by_rest(port: int, shown: list[list[frames.Header]], method: bytes, rpc: str) -> None:
    for credential in shown:
        for target in (rpc, f"/api{rpc}", f"/v1{rpc}"):
            sent = frames.request(port, method, target.encode(), (b"content-type", b"application/json"), *credential)
            assert frames.ask(port, sent, b"{}" if method == b"POST" else b"").status == 404

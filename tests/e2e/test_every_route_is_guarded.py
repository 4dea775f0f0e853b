"""No route lets anyone through without passing the edge's authorization, however the path is written."""

import re
from collections.abc import Iterator

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from edge.public_services import PUBLIC_SERVICES, public_services
from edge.routes import Route, RouteTable
from protos.build import DESCRIPTORS
from services.gen.segops.options.v1 import access_pb2
from services.kit.access import OPEN
from services.kit.caller import ANONYMOUS, IDENTITY_HEADER, mint
from services.kit.keys import INTERNAL_KEY, private_key
from tests.e2e.account import Account, register
from tests.running import Running

ROUTES = RouteTable(public_services())
GRPC_ONLY = {
    "/segops.segments.v1.SegmentsService/StreamMembers",
    "/segops.connectors.v1.ConnectorsService/RedeliverWebhook",
    "/segops.ingestion.v1.IngestionService/TrackEvents",
    "/segops.ingestion.v1.IngestionService/TrackStream",
}
# Every RPC of ours that the edge does not know.
INTERNAL = [
    rpc
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    for service in file.service
    for method in service.method
    if (rpc := f"/{file.package}.{service.name}/{method.name}") not in ROUTES.rpcs()
]
# Taken apart from the rest: whoever calls these is known by the signature of the body alone.
SIGNED = [(method, path) for method, path, route in ROUTES.all() if route.access == access_pb2.ACCESS_SIGNED]


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here: none of them stores anything."""
    with register(url) as account:
        yield account


def guarded_routes() -> Iterator[tuple[str, str, Route]]:
    for method, template, route in ROUTES.all():
        if route.access not in OPEN:
            yield method, template.replace("{}", "1"), route


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in guarded_routes()])
@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}?x=1", "{}/?x=1", "/./{}", "/x/..{}", "/%2e{}"])
def test_a_rest_route_without_credentials_is_401(http: httpx.Client, method: str, path: str, spelling: str) -> None:
    answer = http.request(method, spelling.format(path), json={} if method in ("POST", "PUT", "PATCH") else None)
    assert answer.status_code in (401, 404), answer.text
    if spelling in ("{}", "{}/", "{}?x=1", "{}/?x=1"):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"]
    assert list(answer.json()) == ["detail"]


@pytest.mark.parametrize(("method", "path"), SIGNED)
def test_a_route_for_signed_bodies_is_401_without_a_signature_whatever_else_is_shown(
    http: httpx.Client, owner: Account, method: str, path: str
) -> None:
    for caller in (http, owner.server, owner.person):
        answer = caller.request(method, f"{path.replace('{}', owner.slug)}/", json={})
        assert answer.status_code == 401
        assert list(answer.json()) == ["detail"]


@pytest.mark.parametrize(
    "rpc", [rpc for rpc, route in ROUTES.rpcs().items() if route.access != access_pb2.ACCESS_PUBLIC]
)
def test_a_grpc_path_without_credentials_is_unauthenticated(platform: Running, rpc: str) -> None:
    assert call(platform, rpc) == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("rpc", INTERNAL)
def test_an_internal_rpc_is_not_there_for_anyone(platform: Running, owner: Account, rpc: str) -> None:
    for authorization in ("", f"ApiKey {owner.key}", f"Bearer {owner.access}"):
        assert call(platform, rpc, ("authorization", authorization)) == grpc.StatusCode.UNIMPLEMENTED


def test_a_grpc_path_called_with_json_is_no_route(http: httpx.Client, owner: Account) -> None:
    for rpc in ROUTES.rpcs():
        assert http.post(rpc, json={}).status_code == 404
        assert owner.server.post(rpc, json={}).status_code == 404


def test_a_forged_identity_header_is_dropped_at_the_door(http: httpx.Client, platform: Running, owner: Account) -> None:
    forged = {IDENTITY_HEADER: "x", "x-segops-service-secret": "x", "x-http-code": "200", "x-http-body": "{}"}
    assert http.get("/api/segments/", headers=forged).status_code == 401
    assert owner.server.get("/api/segments/", headers=forged).status_code == 200
    stolen = mint(ANONYMOUS, private_key(platform.settings, INTERNAL_KEY))
    assert http.get("/api/segments/", headers={IDENTITY_HEADER: stolen}).status_code == 401


def test_every_service_refuses_a_call_without_a_signed_identity(platform: Running) -> None:
    for name, services in PUBLIC_SERVICES.items():
        for method in (method for service in services for method in service.methods):
            with grpc.insecure_channel(platform.settings.address(name)) as channel:
                rpc = f"/{method.containing_service.full_name}/{method.name}"
                assert status(channel, rpc) == grpc.StatusCode.UNAUTHENTICATED


def test_every_route_is_named_once_but_connectors_go_by_two_names_and_declares_its_access() -> None:
    routes = list(ROUTES.all())
    named = [route.rpc for _, path, route in routes if not path.startswith("/api/connectors")]
    assert len(named) == len(set(named))
    plain, other = (
        {(method, path.removeprefix(name), route.rpc) for method, path, route in routes if path.startswith(name)}
        for name in ("/api/connectors", "/api/activations")
    )
    assert plain == other != set()
    assert ROUTES.rpcs().keys() - {route.rpc for _, _, route in routes} == GRPC_ONLY
    assert all(re.fullmatch(r"(/[a-z0-9._{}-]+)+", path) for _, path, _ in routes)


def call(platform: Running, rpc: str, *metadata: tuple[str, str]) -> grpc.StatusCode:
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        return status(channel, rpc, metadata)


def status(channel: grpc.Channel, rpc: str, metadata: tuple[tuple[str, str], ...] = ()) -> grpc.StatusCode:
    method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(rpc)
    try:
        list(method(b"", metadata=tuple(item for item in metadata if item[1]), timeout=10))
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK

"""The route table, as it is read from the protos."""

import pytest

from edge.public_services import public_services
from edge.routes import RouteTable, is_id, is_int32
from services.gen.segops.options.v1 import access_pb2

TABLE = RouteTable(public_services())


@pytest.mark.parametrize(
    ("path", "method", "rpc"),
    [
        ("/api/segments", "GET", "ListSegments"),
        ("/api/segments/7", "PATCH", "UpdateSegment"),
        ("/api/segments/membership", "GET", "GetMembership"),
        ("/api/segments/preview", "POST", "PreviewSegment"),
        ("/api/explorer/users/a%2Fb%40c", "GET", "GetUser"),
        ("/api/explorer/users/7/segments", "GET", "ListUserSegments"),
        ("/api/activations/7", "PATCH", "UpdateActivation"),
        ("/api/connectors/7", "PATCH", "UpdateActivation"),
        ("/api/connectors/7/sync", "POST", "SyncActivation"),
        ("/.well-known/jwks.json", "GET", "GetJwks"),
    ],
)
def test_a_path_leads_to_its_rpc(path: str, method: str, rpc: str) -> None:
    methods = TABLE.rest(path)
    assert methods is not None
    assert methods[method].rpc.endswith(f"/{rpc}")


@pytest.mark.parametrize(
    "path",
    ["", "/", "/api", "/api/segments/", "/api//segments", "/api/segments/x", "/api/segments/-1", "/api/segments/٣",
     "/api/segments/99999999999", "/api/connectors/x",
     "/api/explorer/users/", "/API/segments", "/api/segments/1/members/2"],
)  # fmt: skip
def test_other_paths_lead_nowhere(path: str) -> None:
    assert TABLE.rest(path) is None


def test_only_public_services_have_grpc_paths() -> None:
    assert TABLE.rpc("/segops.segments.v1.SegmentsService/GetSegment") is not None
    assert TABLE.rpc("/segops.warehouse.v1.WarehouseService/GetUser") is None
    assert TABLE.rpc("/segops.identity.v1.CredentialService/IssueIdentity") is None


def test_every_rpc_declares_its_access() -> None:
    assert access_pb2.ACCESS_UNSPECIFIED not in {route.access for route in TABLE.rpcs().values()}


def test_whole_numbers_are_told_from_other_text() -> None:
    assert [text for text in ("0", "-1", "+5", "2147483647") if not is_int32(text)] == []
    assert [text for text in ("", "-", "1.5", "1e3", "x", "٣", "2147483648", "9" * 40) if is_int32(text)] == []
    assert is_id("0")
    assert not is_id("+1")

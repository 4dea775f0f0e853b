"""gRPC-Web through the edge: what a page gets is what a gRPC client gets, with the same credentials.

Of the edge's own origin only: the contract lets pages of others call two routes, and these are none of them.
"""

import base64
from collections.abc import Iterator

import grpc
import httpx
import pytest

from services.gen.segops.identity.v1 import identity_pb2
from services.gen.segops.segments.v1 import segments_pb2 as pb
from tests.e2e.account import Account, register
from tests.e2e.grpc_web import BINARY, TEXT, answered, call
from tests.e2e.test_exports import computed, fill
from tests.e2e.test_tenants import new_tenant
from tests.running import Running

SERVICE = "/segops.segments.v1.SegmentsService"
LIST = f"{SERVICE}/ListSegments"
IDENTITY = "/segops.identity.v1.IdentityService"
# As many as two messages of a stream hold.
MEMBERS = 20_000

StatusCode = grpc.StatusCode


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


@pytest.mark.parametrize("kind", [*BINARY, *TEXT])
def test_a_call_has_its_message_and_the_status_after_it(owner: Account, kind: str) -> None:
    made = call(owner.server, f"{SERVICE}/CreateSegment", pb.CreateSegmentRequest(name=kind), kind)
    assert made.status == StatusCode.OK
    [message] = made.messages
    assert pb.Segment.FromString(message).name == kind
    assert made.http.headers["x-ratelimit-limit"]


@pytest.mark.parametrize("kind", [BINARY[1], TEXT[1]])
def test_a_stream_has_all_of_its_messages(platform: Running, owner: Account, kind: str) -> None:
    segment_id = computed(owner)
    fill(platform, owner, segment_id, "number::text", MEMBERS)
    streamed = call(owner.server, f"{SERVICE}/StreamMembers", pb.StreamMembersRequest(id=segment_id), kind)
    assert streamed.status == StatusCode.OK
    chunks = [pb.MemberChunk.FromString(message).members for message in streamed.messages]
    assert len(chunks) > 1
    assert len({member.user_id for chunk in chunks for member in chunk}) == MEMBERS


def test_every_credential_of_rest_is_taken(url: str, http: httpx.Client, owner: Account) -> None:
    def role(**headers: str) -> tuple[str, str]:
        answer = call(http, f"{IDENTITY}/GetMe", identity_pb2.GetMeRequest(), **headers)
        me = identity_pb2.Me.FromString(answer.messages[0])
        return me.tenant.slug, me.role

    second = new_tenant(owner)
    bearer = {"authorization": f"Bearer {owner.access}"}
    assert role(**bearer) == (owner.slug, "owner")
    assert role(**bearer, **{"x-tenant-slug": second}) == (second, "owner")
    basic = base64.b64encode(f"{owner.key}:".encode()).decode()
    for authorization in (f"ApiKey {owner.key}", f"Basic {basic}"):
        assert call(http, LIST, pb.ListSegmentsRequest(), authorization=authorization).status == StatusCode.OK
    assert call(http, f"{IDENTITY}/GetJwks", identity_pb2.GetJwksRequest()).status == StatusCode.OK


@pytest.mark.parametrize("kind", [BINARY[0], TEXT[0]])
@pytest.mark.parametrize(
    ("rpc", "message", "authorization", "status"),
    [
        (LIST, b"", "", StatusCode.UNAUTHENTICATED),
        (LIST, b"", "ApiKey sk_live_nothing", StatusCode.UNAUTHENTICATED),
        ("/segops.segments.v1.SegmentsService/Nothing", b"", None, StatusCode.UNIMPLEMENTED),
        ("/segops.identity.v1.CredentialService/ResolveApiKey", b"", None, StatusCode.UNIMPLEMENTED),
        ("/segops.identity.v1.TeamService/ListMembers", b"", None, StatusCode.PERMISSION_DENIED),
        (f"{SERVICE}/GetSegment", pb.GetSegmentRequest(id=2**31 - 1).SerializeToString(), None, StatusCode.NOT_FOUND),
        (f"{SERVICE}/CreateSegment", b"", None, StatusCode.INVALID_ARGUMENT),
        (LIST, bytes(17 * 2**20), None, StatusCode.OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_a_refusal_is_a_status_with_a_text_for_people(
    http: httpx.Client,
    owner: Account,
    kind: str,
    rpc: str,
    message: bytes,
    authorization: str | None,
    status: StatusCode,
) -> None:
    shown = f"ApiKey {owner.key}" if authorization is None else authorization
    answer = call(http, rpc, message, kind, **({"authorization": shown} if shown else {}))
    assert answer.status == status
    assert answer.messages == []
    assert answer.trailers["grpc-message"].endswith(".")
    assert "{" not in answer.trailers["grpc-message"]
    assert ("www-authenticate" in answer.trailers) == (status == StatusCode.UNAUTHENTICATED)


def test_text_that_is_none_is_refused(owner: Account) -> None:
    answer = owner.server.post(LIST, content=b"!!!", headers={"content-type": TEXT[0], "accept": TEXT[0]})
    assert answered(answer, TEXT[0]).status == StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("kind", ["application/grpc-web+json", "application/grpc-webx", "Application/Grpc-Web"])
def test_what_only_looks_like_it_finds_no_rpc(owner: Account, kind: str) -> None:
    answer = owner.server.post(LIST, content=bytes(5), headers={"content-type": kind})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert owner.server.post("/api/segments/", content=bytes(5), headers={"content-type": kind}).status_code == 415


@pytest.mark.parametrize("kind", [*BINARY, *TEXT])
def test_a_path_of_rest_is_no_rpc(owner: Account, kind: str) -> None:
    assert call(owner.server, "/api/segments/", b"", kind).status == StatusCode.UNIMPLEMENTED

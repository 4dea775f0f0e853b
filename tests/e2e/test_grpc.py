"""gRPC through the edge: every RPC is there, for the same callers as its REST route, and refuses as that does."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import grpc
import httpx
import pytest
from google.protobuf.descriptor import FieldDescriptor

from edge.public_services import PUBLIC_SERVICES
from services.gen.segops.identity.v1 import identity_pb2
from services.kit.failures import HTTP_BODY, KIND_BY_HTTP, STATUS
from tests.e2e.account import Account, register
from tests.e2e.tenancy.calls import Binding, bindings, message_of, path_of
from tests.e2e.test_tenants import new_tenant
from tests.running import Running

StatusCode = grpc.StatusCode

LIST = "/segops.segments.v1.SegmentsService/ListSegments"
INFRASTRUCTURE = (
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a call."""

    status: grpc.StatusCode
    text: str
    messages: Sequence[bytes]
    metadata: Mapping[str, str]


def ask(channel: grpc.Channel, rpc: str, message: bytes = b"", /, **metadata: str) -> Answer:
    """The answer to one message, of any RPC."""
    method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(rpc)
    sent = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
    call = method(message, metadata=sent, timeout=30)
    messages: list[bytes] = []
    with suppress(grpc.RpcError):
        messages += call
    told = {name: str(value) for name, value in (*call.initial_metadata(), *call.trailing_metadata())}
    return Answer(status=call.code(), text=call.details() or "", messages=messages, metadata=told)


@pytest.fixture(scope="module")
def owner(url: str) -> Iterator[Account]:
    """One tenant for all tests here."""
    with register(url) as account:
        yield account


@pytest.fixture(scope="module")
def edge(platform: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        yield channel


def of_nothing(binding: Binding) -> dict[str, int | str]:
    """The fields in the path, of no object that there is."""
    fields = binding.rpc.input_type.fields_by_name
    named = [name for name in fields if f"{{{name}}}" in binding.template]
    return {name: 2**31 - 1 if fields[name].cpp_type == FieldDescriptor.CPPTYPE_INT32 else "nobody" for name in named}


@pytest.mark.parametrize("binding", bindings(), ids=str)
def test_an_rpc_answers_each_caller_with_the_status_of_its_rest_route(
    edge: grpc.Channel, http: httpx.Client, owner: Account, binding: Binding
) -> None:
    fields = of_nothing(binding)
    request = binding.request(fields)
    message = message_of(binding.rpc, fields).SerializeToString()
    for client in (owner.person, owner.server, http):
        rest = client.request(request.method, request.target, content=request.body, headers=request.headers)
        authorization = client.headers.get("authorization")
        shown = {"authorization": authorization} if authorization else {}
        answer = ask(edge, path_of(binding.rpc), message, **shown)
        if rest.status_code < 300:
            assert answer.status == StatusCode.OK
        else:
            assert answer.status == STATUS[KIND_BY_HTTP[rest.status_code]][0], answer
            # In whole what the client of REST is told, for people in short.
            assert json.loads(answer.metadata[HTTP_BODY]) == rest.json()
            assert answer.text
        for name in ("x-ratelimit-limit", "retry-after", "www-authenticate"):
            assert answer.metadata.get(name) == rest.headers.get(name)


def test_every_credential_of_rest_is_taken(edge: grpc.Channel, owner: Account) -> None:
    def role(**metadata: str) -> tuple[str, str]:
        answer = ask(edge, "/segops.identity.v1.IdentityService/GetMe", **metadata)
        me = identity_pb2.Me.FromString(answer.messages[0])
        return me.tenant.slug, me.role

    second, bearer = new_tenant(owner), f"Bearer {owner.access}"
    assert role(authorization=bearer) == (owner.slug, "owner")
    assert role(authorization=bearer, x_tenant_slug=second) == (second, "owner")
    basic = base64.b64encode(f"{owner.key}:".encode()).decode()
    for authorization in (f"ApiKey {owner.key}", f"Basic {basic}"):
        assert ask(edge, LIST, authorization=authorization).status == StatusCode.OK
    elsewhere = ask(edge, LIST, authorization=bearer, x_tenant_slug="nobody")
    assert (elsewhere.status, elsewhere.text) == (
        StatusCode.PERMISSION_DENIED,
        "You are not a member of this tenant.",
    )


@pytest.mark.parametrize("rpc", INFRASTRUCTURE)
def test_health_and_reflection_are_of_the_services_and_not_of_the_edge(
    platform: Running, edge: grpc.Channel, owner: Account, rpc: str
) -> None:
    for authorization in (f"ApiKey {owner.key}", f"Bearer {owner.access}"):
        assert ask(edge, rpc, authorization=authorization).status == StatusCode.UNIMPLEMENTED
    if rpc == INFRASTRUCTURE[0]:
        for name in PUBLIC_SERVICES:
            with grpc.insecure_channel(platform.settings.address(name)) as inside:
                assert ask(inside, rpc).status == StatusCode.OK


def test_what_is_too_large_is_refused(edge: grpc.Channel, owner: Account) -> None:
    answer = ask(edge, LIST, bytes(17 * 2**20), authorization=f"ApiKey {owner.key}")
    assert (answer.status, answer.text) == (StatusCode.OUT_OF_RANGE, "The request body is too large: 16 MiB at most.")


def test_what_is_encoded_otherwise_is_refused(edge: grpc.Channel, owner: Account) -> None:
    answer = ask(edge, LIST, authorization=f"ApiKey {owner.key}", content_encoding="br")
    assert (answer.status, answer.text) == (StatusCode.UNIMPLEMENTED, "The body may be encoded with gzip only.")


def test_a_deadline_reaches_the_service(url: str, owner: Account) -> None:
    headers = {**owner.server.headers, "content-type": "application/grpc", "te": "trailers"}
    with httpx.Client(base_url=url, http1=False, http2=True, verify=False) as client:
        for left, status in (("1n", StatusCode.DEADLINE_EXCEEDED), ("10S", None)):
            answer = client.post(LIST, content=bytes(5), headers=headers | {"grpc-timeout": left})
            # A client that waits hears of it from the service, not from its own clock.
            assert answer.headers.get("grpc-status") == (status and str(status.value[0]))
            assert bool(answer.content) == (status is None)

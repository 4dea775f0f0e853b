"""Sending a request as one of the clients of a tenant."""

import secrets
from dataclasses import replace
from typing import Any

import grpc
import httpx
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from services.gen.segops.options.v1 import access_pb2
from tests.e2e.tenancy.calls import Binding, Request, access_of, path_of
from tests.e2e.tenancy.wire import Sent
from tests.e2e.tenancy.world import World
from tests.running import Running
from tests.shopify_webhooks import signature

# What differs between two answers to the same request.
MOVING_HEADERS = {
    "date",
    "content-length",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-envoy-upstream-service-time",
    # Of a refusal that is quicker than the request's body.
    "connection",
}


def ask(client: httpx.Client, request: Request, **headers: str) -> httpx.Response:
    """The answer. The request is always called the same, so that answers can be compared."""
    sent = {"x-request-id": "tenancy", **request.headers, **headers}
    return client.request(request.method, request.target, content=request.body, headers=sent)


def call(platform: Running, client: httpx.Client, rpc: MethodDescriptor, message: bytes) -> str:
    """All that a gRPC caller hears, as text."""
    metadata = [("x-request-id", "tenancy")]
    if authorization := client.headers.get("authorization"):
        metadata.append(("authorization", authorization))
    with grpc.insecure_channel(f"127.0.0.1:{platform.settings.edge_port}") as channel:
        method: Any = channel.stream_stream(path_of(rpc))
        answers = method(iter([message]), metadata=metadata, timeout=30)
        try:
            return "".join(str(GetMessageClass(rpc.output_type).FromString(answer)) for answer in answers)
        except grpc.RpcError:
            trailers = [item for item in answers.trailing_metadata() if item[0] not in MOVING_HEADERS]
            return f"{answers.code()} {answers.details()} {sorted(trailers)}"


def headers_for(world: World, binding: Binding, body: bytes | None) -> dict[str, str]:
    """What else the sender of a body adds: a shop signs it with its secret."""
    if access_of(binding.rpc) != access_pb2.ACCESS_SIGNED:
        return {}
    return {
        "x-shopify-topic": "orders/create",
        "x-shopify-hmac-sha256": signature(world.secret, body or b""),
        "x-shopify-webhook-id": secrets.token_hex(8),
    }


def sent_by(world: World, caller: str, binding: Binding, sent: Sent) -> Sent:
    """The request as one of the tenant's callers sends it."""
    headers = headers_for(world, binding, sent.body)
    if authorization := world.clients[caller].headers.get("authorization"):
        headers["authorization"] = authorization
    added = [(name.encode(), value.encode()) for name, value in headers.items()]
    return replace(sent, headers=[*sent.headers, *added])

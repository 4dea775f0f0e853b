"""Calling another service: the caller's identity and request id travel along, failures come back as failures."""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import grpc

from services.kit import addresses, tracing
from services.kit.caller import IDENTITY_HEADER, REQUEST_ID_HEADER, current_request
from services.kit.failures import from_rpc_error
from services.kit.settings import Settings

# A request body may be 16 MiB; the rest is room for the envelope.
MAX_MESSAGE_BYTES = 17 * 1024 * 1024
CALL_SECONDS = 30.0
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A service that restarts is back within a second; the default backs off to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A host that vanished without a word, under a call or not, is noticed after 15 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)
# The health of a process that takes calls, whatever becomes of the stores behind it: it ends when the process is told
# to stop. Only replicas are asked for it; a process alone is called as long as it is there.
TAKES_CALLS = "takes-calls"

Req = TypeVar("Req")
Res = TypeVar("Res")


def connect(settings: Settings, service: str, *, health: str = TAKES_CALLS) -> grpc.aio.Channel:
    """A channel to a service by its short name. It connects when first used.

    Of several replicas those are called in turn whose health of this name is good. A call that never left, or that a
    server says it did not look at, goes to another one by itself.
    """
    target, options = target_of(settings, service, health=health)
    return grpc.aio.insecure_channel(target, options=options)


def target_of(
    settings: Settings, service: str, *, health: str = TAKES_CALLS
) -> tuple[str, tuple[tuple[str, int | str], ...]]:
    """The gRPC target of a service and the options of a channel to it."""
    found = settings.addresses(service)
    if not addresses.may_be_several(found):
        return addresses.target(found), OPTIONS
    config = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": health}}
    return addresses.target(found), (*OPTIONS, ("grpc.service_config", json.dumps(config)))


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """The metadata of a call made on behalf of the current request."""
    request = current_request()
    return ((IDENTITY_HEADER, request.token), (REQUEST_ID_HEADER, request.id), *tracing.headers().items())


async def call(method: Callable[..., Any], request: Req, *, seconds: float = CALL_SECONDS) -> Any:
    """Calls a unary RPC for the current caller. Raises the failure the other service answered with."""
    try:
        return await method(request, metadata=outgoing_metadata(), timeout=seconds)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def stream(method: Callable[..., Any], request: Req, *, seconds: float = CALL_SECONDS) -> AsyncGenerator[Any]:
    """Calls a server-streaming RPC for the current caller; closing it ends the call.

    Raises the failure the other service answered with.
    """
    messages = method(request, metadata=outgoing_metadata(), timeout=seconds)
    try:
        async for message in messages:
            yield message
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    finally:
        messages.cancel()

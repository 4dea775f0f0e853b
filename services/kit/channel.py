"""Calling another service: the caller's identity and request id travel along, failures come back as failures."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import grpc

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
)

Req = TypeVar("Req")
Res = TypeVar("Res")


def connect(settings: Settings, service: str) -> grpc.aio.Channel:
    """A channel to a service by its short name. It connects when first used."""
    return grpc.aio.insecure_channel(settings.address(service), options=OPTIONS)


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """The metadata of a call made on behalf of the current request."""
    request = current_request()
    return ((IDENTITY_HEADER, request.token), (REQUEST_ID_HEADER, request.id))


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

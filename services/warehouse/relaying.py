"""Calls for the process that loads, of several: it alone knows what is loaded, repeated and erased right now.

Whoever gets such a call passes it on, with the caller's identity, and its answer or failure back.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from services.kit import addresses
from services.kit.channel import CALL_SECONDS, OPTIONS, outgoing_metadata
from services.kit.errors import Unavailable
from services.kit.failures import from_rpc_error
from services.kit.settings import Settings
from services.warehouse.loading.lease import Lease

PREFIX = "/segops.warehouse.v1."
LOADING = frozenset(
    PREFIX + method
    for method in (
        "WarehouseService/AppendMembershipChanges",
        "WarehouseService/FindKnownEvents",
        "WarehouseService/GetLoadPosition",
        "WarehouseService/Replay",
        "ErasureService/BlockUsers",
        "ErasureService/EraseLog",
        "ErasureService/ReleaseUsers",
        "LinkMirrorService/AppendLinks",
        "BackupService/Backup",
        "BackupService/Restore",
        "BackupService/ResumeLoading",
    )
)
# Waits for what the log holds.
LONG = frozenset({PREFIX + "ErasureService/EraseLog"})
LONG_SECONDS = 300.0
# Nobody passes on what was passed on.
RELAYED = "segops-relayed"
ANYWHERE = ("0.0.0.0", "::")

# Has no parameters when it runs.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Relay(grpc.aio.ServerInterceptor):
    """Passes calls on to the holder of a lease, unless that is this process."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        method, handler = handler_call_details.method, await continuation(handler_call_details)
        if handler is None or method not in LOADING:
            return handler
        reads, writes = handler.request_deserializer, _as_it_is(handler.response_serializer)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._refusing(handler.stream_unary), reads, writes)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming(method, handler.unary_stream), reads, writes)
        return grpc.unary_unary_rpc_method_handler(self._calling(method, handler.unary_unary), reads, writes)

    async def close(self) -> None:
        """Closes the connections to other processes."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    def _calling(self, method: str, own: Any) -> Any:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            if self._lease.is_held:
                return await own(request, context)
            try:
                seconds = LONG_SECONDS if method in LONG else CALL_SECONDS
                remote: Any = self._channel(context).unary_unary(method, request_serializer=_serialized)
                return await remote(request, metadata=_metadata(), timeout=seconds)
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from error

        return call

    def _streaming(self, method: str, own: Any) -> Any:
        async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            if self._lease.is_held:
                async for response in own(request, context):
                    yield response
                return
            try:
                remote: Any = self._channel(context).unary_stream(method, request_serializer=_serialized)
                async for response in remote(request, metadata=_metadata()):
                    yield response
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from error

        return stream

    def _refusing(self, own: Any) -> Any:
        async def refuse(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            if not self._lease.is_held:
                raise Unavailable("Another warehouse process loads. Give its address, or end the other ones.")
            return await own(requests, context)

        return refuse

    def _channel(self, context: grpc.aio.ServicerContext[Any, Any]) -> grpc.aio.Channel:
        """To the process that loads. Raises Unavailable when there is none, or it does not know that it does."""
        address = self._lease.holder_address
        if not address or any(key == RELAYED for key, _ in context.invocation_metadata() or ()):
            raise Unavailable
        if address not in self._channels:
            target = addresses.target(addresses.parse(address))
            self._channels[address] = grpc.aio.insecure_channel(target, options=OPTIONS)
        return self._channels[address]


def reached_at(settings: Settings, peer_address: str) -> str:
    """Where other processes reach this one: as it is set, or where it listens, by this host's address."""
    listens = peer_address or settings.listens_on("warehouse")
    if listens.startswith("unix:"):
        return listens
    host, port = addresses.host_and_port(listens)
    return f"{socket.gethostbyname(socket.gethostname())}:{port}" if host in ANYWHERE else listens


def _metadata() -> tuple[tuple[str, str], ...]:
    return (*outgoing_metadata(), (RELAYED, "1"))


def _serialized(request: Any) -> bytes:
    data: bytes = request.SerializeToString()
    return data


def _as_it_is(serialize: Callable[[Any], bytes] | None) -> Callable[[Any], bytes]:
    """What was passed back is bytes already."""
    assert serialize is not None
    return lambda response: response if isinstance(response, bytes) else serialize(response)

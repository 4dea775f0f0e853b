"""Calls on a service's own socket, past the edge, as of somebody who got that far."""

import grpc

from tests.running import Running

PATIENCE_SECONDS = 10.0


def call(platform: Running, service: str, rpc: str, *metadata: tuple[str, str]) -> tuple[grpc.StatusCode, bytes]:
    """What a service answers to an empty message: the status, and its messages."""
    with grpc.insecure_channel(platform.settings.address(service)) as channel:
        method: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(rpc)
        try:
            messages = b"".join(method(b"", metadata=metadata, timeout=PATIENCE_SECONDS))
        except grpc.RpcError as error:
            status: grpc.StatusCode = error.code()
            return status, b""
    return grpc.StatusCode.OK, messages

"""Whether a process serves: `python -m services.kit.health HOST:PORT`, the health check of our containers."""

import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ANSWER_SECONDS = 2.0


def health_of(target: str, seconds: float = ANSWER_SECONDS) -> bool | None:
    """Whether the service at a gRPC target is healthy, with the backends it needs; None when nobody answers there."""
    with grpc.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds)
        except grpc.RpcError:
            return None
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(0 if health_of(sys.argv[1]) else f"{sys.argv[1]} is not ready")

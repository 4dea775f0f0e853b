"""`/readyz`: whether every backend answers."""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kit.channel import connect
from services.kit.settings import Settings

SERVICES = ("identity", "ingestion", "warehouse", "segments", "connectors", "profiles")
CHECK_SECONDS = 1.0


class Readiness:
    """Asks every service for its health, which includes the health of the stores it needs."""

    def __init__(self, settings: Settings) -> None:
        # Of several replicas one that is ready is asked, if there is one.
        self._stubs = {name: health_pb2_grpc.HealthStub(connect(settings, name, health="")) for name in SERVICES}

    async def missing(self) -> list[str]:
        """The services that are not ready."""
        ready = await asyncio.gather(*(self._is_ready(stub) for stub in self._stubs.values()))
        return [name for name, is_ready in zip(self._stubs, ready, strict=True) if not is_ready]

    @staticmethod
    async def _is_ready(stub: Any) -> bool:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

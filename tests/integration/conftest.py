"""Real backends for all integration tests of one run: PostgreSQL with the schema, NATS, identity and the warehouse."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kit.settings import Settings
from tests.running import Running, wait_for


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Backends that the tests of one run share; each test works in tenants of its own."""
    running = Running(
        tmp_path_factory.mktemp("backends") / "data", "postgres", "nats", "migrate", "identity", "warehouse"
    )
    try:
        for service in ("identity", "warehouse"):
            wait_for(partial(is_serving, running.settings.address(service)), START_SECONDS)
        yield running
    finally:
        running.stop()


# A cold start on two cores that are busy with other tests.
START_SECONDS = 90.0


def is_serving(address: str) -> bool:
    """Whether the service at this address is healthy, which includes the backends it needs."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture(scope="session")
def settings(backends: Running) -> Settings:
    """The settings of the shared backends."""
    return backends.settings

"""What the tests of the edge share: a Redis server of their own, and an Envoy alone."""

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.edge.recording import recording
from tests.redis_server import RedisServer
from tests.running import Running, wait_for


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of an Envoy of the platform's configuration, before services that tell what came."""
    running = Running(tmp_path_factory.mktemp("edge") / "data", "envoy")
    port = running.settings.edge_port
    try:
        wait_for(lambda: _answers(port))
        with recording(running.settings):
            yield port
    finally:
        running.stop()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", verify=False).status_code == 200
    except httpx.TransportError:
        return False

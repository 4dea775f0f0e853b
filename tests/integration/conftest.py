"""Real backends for all integration tests of one run: PostgreSQL with the schema, NATS, identity and the warehouse."""

from collections.abc import Iterator
from functools import partial

import pytest

from services.kit.health import health_of
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
            wait_for(partial(health_of, running.settings.address(service)), START_SECONDS)
        yield running
    finally:
        running.stop()


# A cold start on two cores that are busy with other tests.
START_SECONDS = 90.0


@pytest.fixture(scope="session")
def settings(backends: Running) -> Settings:
    """The settings of the shared backends."""
    return backends.settings

"""The whole platform behind a real Envoy, started as `make run` starts it, as fixtures. Nothing is patched.

A package imports them into its conftest: then the platform ends with the package, and takes nothing from other tests.
"""

from collections.abc import Iterator

import httpx
import pytest

from deploy.local.programs import build_programs
from services.kit.settings import Settings
from tests.e2e.account import Account, client, register
from tests.running import Running, is_ready, wait_for

# A cold start on two cores that are busy with other tests.
START_SECONDS = 90.0


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One platform for all tests of a package; each registers a tenant of its own."""
    home = tmp_path_factory.mktemp("platform") / "data"
    programs = [program.name for program in build_programs(Settings(data_dir=home))]
    variables = {
        # Stand-ins for the outside world listen on this machine.
        "SEGOPS_OUTBOUND_ALLOW": "127.0.0.1",
        "SEGOPS_IDENTITY_KEY_PUBLICATION_SECONDS": "2",
        "SEGOPS_ERASURE_GRACE_SECONDS": "3",
    }
    running = Running(home, *programs, variables=variables)
    url = f"http://127.0.0.1:{running.settings.edge_port}"
    try:
        wait_for(lambda: is_ready(url), START_SECONDS)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")
def url(platform: Running) -> str:
    """Where the edge listens, without a slash at the end."""
    return f"http://127.0.0.1:{platform.settings.edge_port}"


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """A client without credentials."""
    with client(url) as stranger:
        yield stranger


@pytest.fixture
def owner(url: str) -> Iterator[Account]:
    """The owner of a fresh tenant."""
    with register(url) as account:
        yield account


@pytest.fixture
def stranger(url: str) -> Iterator[Account]:
    """The owner of another fresh tenant."""
    with register(url) as account:
        yield account

"""Two tenants with something of everything."""

from collections.abc import Iterator

import pytest

from tests.e2e.tenancy.contents import rows
from tests.e2e.tenancy.health import Health
from tests.e2e.tenancy.valid import call_all
from tests.e2e.tenancy.world import World, world
from tests.running import Running
from tests.standins.receiver import Receiver
from tests.standins.server import serving

MOST_GROWN_MIB = 400


@pytest.fixture(scope="package")
def outside() -> Iterator[Receiver]:
    """Where their webhooks and connectors lead."""
    with serving(Receiver()) as receiver:
        yield receiver


@pytest.fixture(scope="package")
def theirs(url: str, outside: Receiver) -> Iterator[World]:
    """The tenant that nobody else may touch."""
    with world(url, outside) as made:
        yield made


@pytest.fixture(scope="package")
def ours(url: str, outside: Receiver) -> Iterator[World]:
    """The tenant of whoever tries."""
    with world(url, outside) as made:
        yield made


@pytest.fixture(scope="module")
def well(platform: Running, url: str, outside: Receiver, theirs: World) -> Iterator[None]:
    """Whatever a module sends: afterwards nobody has died, grown without bound or met the unexpected.

    Another tenant's is untouched, and valid requests work as before.
    """
    before, had = Health.of(platform), rows(platform, theirs.account.tenant_id)
    yield
    assert before.gone() == []
    assert before.unexpected() == []
    assert max(before.grown().values()) < MOST_GROWN_MIB
    assert rows(platform, theirs.account.tenant_id) == had
    with world(url, outside) as later:
        call_all(later)

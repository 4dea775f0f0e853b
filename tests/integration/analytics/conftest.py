"""The stores behind the numbers, and tenants of their own."""

import itertools
from collections.abc import AsyncIterator
from random import Random

import pytest

from services.kit.eventlog import EventLog
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.warehouse.processes import Warehouse

# Apart from the tenants that other tests make.
_tenant_ids = itertools.count(480_000)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """As the profiles service connects."""
    database = Database.connect(settings)
    yield database
    await database.close()


@pytest.fixture
async def events(settings: Settings) -> AsyncIterator[Warehouse]:
    """The event log, and the warehouse that loads it."""
    shared = Warehouse(settings, await EventLog.connect(settings))
    yield shared
    await shared.close()


@pytest.fixture
def tenant_id() -> int:
    """A tenant that no other test uses."""
    return next(_tenant_ids)


@pytest.fixture
def other_tenant_id() -> int:
    """Another one."""
    return next(_tenant_ids)


@pytest.fixture(params=range(3))
def random(request: pytest.FixtureRequest) -> Random:
    """The same numbers in every run."""
    return Random(request.param)

"""A segments process beside the shared backends, and tenants to call it for."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest

from services.kit.channel import connect
from services.kit.eventlog import EventLog
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.segments.calling import Tenant
from tests.integration.segments.process import SegmentsProcess
from tests.integration.warehouse.processes import Warehouse

# Other packages' tests share the backends; each package has its own range of tenants.
_tenant_ids = itertools.count(180_000)

QUICK = {"SEGOPS_SEGMENTS_SCHEDULE_CHECK_SECONDS": "0.2"}


@pytest.fixture(scope="package")
def process(settings: Settings) -> Iterator[SegmentsProcess]:
    """The running segments process, which a test may kill and start again."""
    process = SegmentsProcess(settings, **QUICK)
    process.start()
    yield process
    process.stop()


@pytest.fixture
async def channel(settings: Settings, process: SegmentsProcess) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to the segments process."""
    async with connect(settings, "segments") as channel:
        yield channel


@pytest.fixture
def new_tenant(settings: Settings, channel: grpc.aio.Channel) -> Callable[[], Tenant]:
    """Makes tenants that no other test uses."""
    return lambda: Tenant(settings, channel, next(_tenant_ids))


@pytest.fixture
def tenant(new_tenant: Callable[[], Tenant]) -> Tenant:
    """A tenant that no other test uses."""
    return new_tenant()


@pytest.fixture
async def warehouse(settings: Settings) -> AsyncIterator[Warehouse]:
    """The warehouse, to bring events in."""
    warehouse = Warehouse(settings, await EventLog.connect(settings))
    yield warehouse
    await warehouse.close()


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """PostgreSQL as the segments service uses it."""
    database = Database.connect(settings)
    yield database
    await database.close()

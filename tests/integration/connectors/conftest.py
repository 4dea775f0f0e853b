"""A connectors process beside the shared backends, and tenants to call it for."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest

from services.kit.channel import connect
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.outside import Tool
from tests.integration.connectors.syncing import Syncing
from tests.integration.process import ServiceProcess

# Other packages' tests share the backends; each package has its own range of tenants.
_tenant_ids = itertools.count(280_000)

# Stand-ins for the outside world listen on this machine.
LOOPBACK = {"SEGOPS_OUTBOUND_ALLOW": "127.0.0.1"}
# What fails is tried again sooner, and given less time.
QUICK = {
    "SEGOPS_CONNECTORS_FIRST_RETRY_SECONDS": "0.2",
    "SEGOPS_CONNECTORS_LONGEST_RETRY_SECONDS": "1",
    "SEGOPS_CONNECTORS_WEBHOOK_TIMEOUT_SECONDS": "2",
}


@pytest.fixture(scope="package")
def process(settings: Settings) -> Iterator[ServiceProcess]:
    """The running connectors process, which a test may kill and start again."""
    process = ServiceProcess(settings, "connectors", **LOOPBACK, **QUICK)
    process.start()
    yield process
    process.stop()


@pytest.fixture
async def channel(settings: Settings, process: ServiceProcess) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to the connectors process."""
    async with connect(settings, "connectors") as channel:
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
def tenant_id() -> int:
    """The same without a process to call: only its id."""
    return next(_tenant_ids)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """PostgreSQL as the connectors service uses it."""
    database = Database.connect(settings)
    yield database
    await database.close()


@pytest.fixture
def tool() -> Tool:
    """A tool in memory."""
    return Tool()


@pytest.fixture
def syncing(database: Database, tenant_id: int, tool: Tool) -> Syncing:
    """A tenant's connectors to it, synced when the test says."""
    return Syncing(database, tenant_id, tool)


@pytest.fixture
async def segment(database: Database, tenant_id: int) -> Segment:
    """A segment of the same tenant, never computed."""
    return await Segment.create(database, tenant_id)

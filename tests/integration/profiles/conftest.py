"""The services that answer about users, with everything behind them, and the way events and segments come in."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from services.gen.segops.ingestion.v1 import ingestion_pb2_grpc
from services.gen.segops.profiles.v1 import links_pb2_grpc, profiles_pb2_grpc
from services.gen.segops.segments.v1 import segments_pb2_grpc
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.channel import connect
from services.kit.health import health_of
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.settings import Settings
from tests.integration.conftest import START_SECONDS
from tests.running import Running, wait_for

SERVICES = ("identity", "warehouse", "ingestion", "segments", "profiles")

_tenants = itertools.count(1)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    running = Running(tmp_path_factory.mktemp("profiles") / "data", "postgres", "nats", "migrate", *SERVICES)
    settings = running.settings
    wait_for(lambda: all(health_of(settings.address(service)) for service in SERVICES), START_SECONDS)
    yield settings
    running.stop()


class Client:
    """The services, called for a tenant of its own."""

    def __init__(self, settings: Settings) -> None:
        self.tenant_id = next(_tenants)
        self._channels = {name: connect(settings, name) for name in ("ingestion", "segments", "profiles")}
        self.ingestion = ingestion_pb2_grpc.IngestionServiceStub(self._channels["ingestion"])
        self.segments = segments_pb2_grpc.SegmentsServiceStub(self._channels["segments"])
        self.profiles = profiles_pb2_grpc.ProfilesServiceStub(self._channels["profiles"])
        self.links = links_pb2_grpc.LinksServiceStub(self._channels["profiles"])
        caller = Caller(kind="person", tenant_id=self.tenant_id, user_id=1, role="owner")
        identity = mint(caller, private_key(settings, INTERNAL_KEY))
        self.metadata = ((IDENTITY_HEADER, identity), ("x-segops-url", "http://edge.test/api/explorer/users/?q="))

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


@pytest_asyncio.fixture
async def client(platform: Settings) -> AsyncIterator[Client]:
    client = Client(platform)
    yield client
    await client.close()

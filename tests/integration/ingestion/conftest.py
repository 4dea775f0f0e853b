"""The ingestion service on a PostgreSQL and an event log of its own, which the tests may stop and hang."""

import asyncio
import itertools
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import nats
import psutil
import psycopg
import pytest
import pytest_asyncio
from google.api.httpbody_pb2 import HttpBody
from nats.js import JetStreamContext

from services.gen.segops.ingestion.v1 import ingestion_pb2, ingestion_pb2_grpc
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.channel import connect
from services.kit.eventlog import STREAM
from services.kit.health import health_of
from services.kit.keys import INTERNAL_KEY, NATS_TOKEN, private_key, secret
from services.kit.settings import Settings
from tests.integration.conftest import START_SECONDS
from tests.integration.process import ServiceProcess
from tests.running import Running, environment, wait_for

_tenants = itertools.count(1)


class Log:
    """The event log's server, as a process that can be stopped, killed and hung."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.nats"],
            env=environment(self._running.settings),
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._running.event_log_listens)

    def send(self, signum: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(signum)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(signum)
        self._process.wait()


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What the tests work on."""

    running: Running
    log: Log

    @property
    def settings(self) -> Settings:
        return self.running.settings

    def database(self) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection to PostgreSQL as its owner, which commits each statement."""
        return psycopg.connect(self.settings.libpq_dsn, autocommit=True)

    def signal_postgres(self, signum: signal.Signals) -> None:
        """Sends a signal to the database server and all its processes."""
        server = self.running.find("postgres")
        assert server is not None
        for process in [server, *server.children(recursive=True)]:
            try:
                process.send_signal(signum)
            except psutil.NoSuchProcess:
                continue


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home: Path = tmp_path_factory.mktemp("ingestion") / "data"
    running = Running(home, "postgres", "migrate", "ingestion")
    wait_for(running.database)
    log = Log(running)
    log.start()
    wait_for(lambda: health_of(running.settings.address("ingestion")), START_SECONDS)
    yield Platform(running=running, log=log)
    running.stop()
    log.stop()


class Client:
    """Calls of one tenant's caller."""

    def __init__(
        self, settings: Settings, channel: grpc.aio.Channel, role: str = "owner", tenant_id: int | None = None
    ) -> None:
        """Of a tenant that no other test uses, unless one is given."""
        self.tenant_id = tenant_id or next(_tenants)
        self._stub = ingestion_pb2_grpc.IngestionServiceStub(channel)
        caller = Caller(kind="person", tenant_id=self.tenant_id, user_id=1, role=role)
        self._metadata = ((IDENTITY_HEADER, mint(caller, private_key(settings, INTERNAL_KEY))),)

    async def track(self, body: str) -> ingestion_pb2.TrackResponse:
        request = HttpBody(content_type="application/json", data=body.encode())
        response: ingestion_pb2.TrackResponse = await self._stub.Track(request, metadata=self._metadata)
        return response

    async def track_batch(self, body: str) -> ingestion_pb2.TrackBatchResponse:
        request = HttpBody(content_type="application/json", data=body.encode())
        response: ingestion_pb2.TrackBatchResponse = await self._stub.TrackBatch(request, metadata=self._metadata)
        return response

    async def errors(self, **page: Any) -> ingestion_pb2.ErrorPage:
        request = ingestion_pb2.ListErrorsRequest(**page)
        response: ingestion_pb2.ErrorPage = await self._stub.ListErrors(request, metadata=self._metadata)
        return response


@pytest_asyncio.fixture
async def channel(platform: Platform) -> AsyncIterator[grpc.aio.Channel]:
    async with connect(platform.settings, "ingestion") as channel:
        await channel.channel_ready()
        yield channel


@pytest.fixture(scope="module")
def replica(platform: Platform) -> Iterator[ServiceProcess]:
    """Another ingestion process on the same backends."""
    process = ServiceProcess(platform.settings, "ingestion", SEGOPS_LISTEN=replica_address(platform))
    process.start()
    yield process
    process.stop()


def replica_address(platform: Platform) -> str:
    """Where the other ingestion process listens."""
    return f"unix:{platform.settings.run_dir / 'ingestion-2.sock'}"


@pytest_asyncio.fixture
async def replica_channel(platform: Platform, replica: ServiceProcess) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to the other ingestion process."""
    async with grpc.aio.insecure_channel(replica_address(platform)) as channel:
        await channel.channel_ready()
        yield channel


@pytest.fixture
def client(platform: Platform, channel: grpc.aio.Channel) -> Client:
    """A caller of a tenant that no other test uses."""
    return Client(platform.settings, channel)


@pytest_asyncio.fixture
async def stream(platform: Platform) -> AsyncIterator[JetStreamContext]:
    """A connection of the test's own to the event log."""
    server = await nats.connect(
        platform.settings.nats_dsn,
        token=secret(platform.settings, NATS_TOKEN),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,
    )
    yield server.jetstream()
    await server.close()


@pytest.fixture(scope="package")
def replicas(settings: Settings) -> Iterator[list[grpc.Channel]]:
    """Channels to two ingestion services, whose events the warehouse of the shared backends loads."""
    addresses = [f"unix:{settings.run_dir / name}.sock" for name in ("ingestion-1", "ingestion-2")]
    processes = [ServiceProcess(settings, "ingestion", SEGOPS_LISTEN=address) for address in addresses]
    for process in processes:
        process.start()
    channels = [grpc.insecure_channel(address) for address in addresses]
    yield channels
    for channel, process in zip(channels, processes, strict=True):
        channel.close()
        process.stop()


async def stored(stream: JetStreamContext, tenant_id: int) -> list[tuple[bytes, dict[str, str]]]:
    """Rows and headers of a tenant's messages in the log."""
    state = (await stream.stream_info(STREAM)).state
    messages = []
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await stream.get_msg(STREAM, sequence)
        if message.subject == f"events.{tenant_id}":
            messages.append((message.data or b"", dict(message.headers or {})))
    return messages


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Returns when the condition is true; fails the test when that takes too long."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)

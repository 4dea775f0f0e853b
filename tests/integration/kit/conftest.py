"""Servers with the interceptor of every service, before an RPC whose work is the test's own."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.gen.segops.connectors.v1 import connectors_pb2_grpc
from services.kit.caller import URL_HEADER, Caller
from services.kit.context import Context
from services.kit.failures import HTTP_BODY, HTTP_CODE, RETRY_AFTER
from services.kit.idempotency import Answers
from services.kit.interceptor import CallInterceptor
from services.kit.postgres import Database
from services.kit.settings import Settings

# What the edge makes of a success, from the proto.
CREATED = 201

Work = Callable[[pb.CreateWebhookRequest], Awaitable[None]]

_tenants = itertools.count(710_001)


class Webhooks:
    """Makes webhooks with ascending ids, after the work a test gives it."""

    def __init__(self) -> None:
        self.work: Work = self.no_work
        self.made = 0

    async def no_work(self, request: pb.CreateWebhookRequest) -> None:
        """Takes no time."""

    async def create(self, request: pb.CreateWebhookRequest, context: Context) -> pb.Webhook:
        await self.work(request)
        self.made += 1
        return pb.Webhook(id=self.made, url=request.url)


class Gate:
    """Work that begins, and ends when it may."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def work(self, request: pb.CreateWebhookRequest) -> None:
        self.begun.set()
        await self.may_end.wait()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a client sees: a webhook, or an HTTP status with its body."""

    webhook: int = 0
    status: int = 201
    body: str = ""
    retry_after: str = ""
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Client:
    """Creates webhooks as one caller."""

    stub: "connectors_pb2_grpc.ConnectorsServiceAsyncStub"
    tenant_id: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def of(self, tenant_id: int) -> "Client":
        """A caller of another tenant."""
        return replace(self, tenant_id=tenant_id)

    async def create(self, key: str | None = "key", url: str = "https://a.example", *, path: str = "/p") -> Answer:
        call = self.call(key, url, path=path)
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            sent = dict(error.trailing_metadata() or ())
            return Answer(
                status=int(sent[HTTP_CODE]),
                body=str(sent[HTTP_BODY]),
                retry_after=str(sent.get(RETRY_AFTER, "")),
                replayed="idempotent-replayed" in sent,
            )
        headers = dict(await call.initial_metadata())
        return Answer(webhook=response.id, status=CREATED, replayed="idempotent-replayed" in headers)

    def call(
        self, key: str | None = "key", url: str = "https://a.example", *, path: str = "/p"
    ) -> "grpc.aio.UnaryUnaryCall[pb.CreateWebhookRequest, pb.Webhook]":
        headers = {"tenant": str(self.tenant_id), URL_HEADER: f"https://edge.example{path}"}
        if key is not None:
            headers["idempotency-key"] = key
        return self.stub.CreateWebhook(pb.CreateWebhookRequest(url=url), metadata=tuple(headers.items()))


def authenticate(metadata: Mapping[str, str]) -> Caller:
    return Caller(kind="secret_key", tenant_id=int(metadata["tenant"]), key_id=1)


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database.connect(settings)
    yield database
    await database.close()


@pytest.fixture
def webhooks() -> Webhooks:
    return Webhooks()


@asynccontextmanager
async def serving(
    address: str, database: Database, settings: Settings, webhooks: Webhooks, tenant_id: int
) -> AsyncIterator[Client]:
    """A replica, and a client of it."""
    interceptor = CallInterceptor(authenticate)
    interceptor.answers = Answers(database, settings)
    handler = grpc.unary_unary_rpc_method_handler(
        webhooks.create, pb.CreateWebhookRequest.FromString, pb.Webhook.SerializeToString
    )
    server = grpc.aio.server(interceptors=[interceptor])
    service = "segops.connectors.v1.ConnectorsService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"CreateWebhook": handler}),))
    server.add_insecure_port(address)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield Client(stub=connectors_pb2_grpc.ConnectorsServiceStub(channel), tenant_id=tenant_id)
    await server.stop(None)


@pytest_asyncio.fixture
async def clients(
    tmp_path: Path, database: Database, settings: Settings, webhooks: Webhooks
) -> AsyncIterator[list[Client]]:
    """The same caller of two replicas."""
    tenant_id = next(_tenants)
    async with (
        serving(f"unix:{tmp_path / 'one'}", database, settings, webhooks, tenant_id) as one,
        serving(f"unix:{tmp_path / 'two'}", database, settings, webhooks, tenant_id) as two,
    ):
        yield [one, two]


@pytest.fixture
def client(clients: list[Client]) -> Client:
    """A caller that no other test has."""
    return clients[0]


@pytest_asyncio.fixture
async def client_without_postgresql(tmp_path: Path, settings: Settings, webhooks: Webhooks) -> AsyncIterator[Client]:
    """A caller of a replica that cannot reach its database."""
    nowhere = Database.connect(Settings(data_dir=tmp_path))
    async with serving(f"unix:{tmp_path / 'alone'}", nowhere, settings, webhooks, next(_tenants)) as client:
        yield client

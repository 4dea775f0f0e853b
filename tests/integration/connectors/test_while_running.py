"""A connector that is paused or deleted while its sync runs."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.postgres import Database
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.standin import Received, answer, standing_in
from tests.integration.process import ServiceProcess
from tests.integration.segments.calling import until

# Chunks of 1,000 users, one at a time.
USERS = [f"user-{number:04}" for number in range(2_500)]


class Held:
    """A Talon.One that answers when it is let go; `chunks` are the users of each request."""

    def __init__(self) -> None:
        self.url = ""
        self.chunks: list[list[str]] = []
        self.go = asyncio.Event()

    async def handle(self, received: Received, writer: asyncio.StreamWriter) -> None:
        self.chunks.append([action["profileIntegrationId"] for action in json.loads(received.body)["data"]])
        await self.go.wait()
        writer.write(answer(204))

    async def has_chunk(self) -> bool:
        return bool(self.chunks)


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    held = Held()
    async with standing_in(held.handle) as port:
        held.url = f"http://127.0.0.1:{port}"
        yield held


@pytest.fixture
async def syncing(tenant: Tenant, database: Database, held: Held) -> pb.Activation:
    """A connector whose first chunk is under way."""
    segment = await Segment.create(database, tenant.id)
    await segment.compute(USERS)
    config = {"base_url": held.url, "api_key": "a-key", "audience_id": 1}
    connector = await tenant.create(segment.id, "talonone", config)
    await tenant.update(connector.id, status="active")
    await until(held.has_chunk)
    return connector


async def no_job(database: Database, connector: pb.Activation) -> None:
    """Returns when no sync of the connector waits or runs."""

    async def is_gone() -> bool:
        statement = text("SELECT count(*) FROM procrastinate_jobs WHERE (args->>'activation_id')::int = :id")
        async with database.system() as connection:
            return bool((await connection.execute(statement, {"id": connector.id})).scalar_one() == 0)

    await until(is_gone)


async def test_a_pause_stops_a_sync_and_the_next_one_goes_on_from_there(
    tenant: Tenant, database: Database, held: Held, syncing: pb.Activation
) -> None:
    assert (await tenant.update(syncing.id, status="inactive")).status == "inactive"
    held.go.set()
    await no_job(database, syncing)
    # The next chunk may have been made ready already.
    assert 1 <= len(held.chunks) <= 2
    await tenant.update(syncing.id, status="active")
    await no_job(database, syncing)
    assert held.chunks == [USERS[:1000], USERS[1000:2000], USERS[2000:]]
    assert [log.added for log in (await tenant.logs(syncing.id)).results] == [2_500]


async def test_a_connector_that_is_deleted_ends_its_sync_after_the_chunk(
    tenant: Tenant, database: Database, held: Held, syncing: pb.Activation, process: ServiceProcess
) -> None:
    await tenant.delete(syncing.id)
    held.go.set()
    await no_job(database, syncing)
    assert held.chunks == [USERS[:1000]]
    assert "unexpectedly" not in process.said()


async def test_another_list_gets_everybody_and_the_sync_to_the_old_one_ends(
    tenant: Tenant, database: Database, held: Held, syncing: pb.Activation
) -> None:
    config = {"base_url": held.url, "api_key": "***", "audience_id": 2}
    await tenant.update(syncing.id, config=config)
    held.go.set()
    await no_job(database, syncing)
    assert held.chunks == [USERS[:1000], USERS[:1000], USERS[1000:2000], USERS[2000:]]
    (log,) = (await tenant.logs(syncing.id)).results
    assert (log.status, log.user_count) == ("success", 2_500)

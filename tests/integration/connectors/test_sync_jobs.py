"""Syncs are jobs of the process: they survive it, run at once, and each connector has one at a time."""

import json
import time
from collections.abc import Iterator

import psycopg
import pytest

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.conftest import LOOPBACK, QUICK
from tests.integration.connectors.ledger import Segment
from tests.integration.process import ServiceProcess
from tests.integration.segments.calling import until
from tests.running import wait_for
from tests.standins.mischief import Fault
from tests.standins.receiver import Receiver
from tests.standins.server import serving

# Chunks of 1,000 users, four at a time.
USERS = [f"user-{number:05}" for number in range(10_000)]
PARALLEL = 4
# "Soon": a heartbeat goes missing, the next look notices, the next poll takes the job.
SOON_SECONDS = 15.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as receiver:
        yield receiver
        # So that nobody waits for what hangs.
        receiver.mischief.share = 0


@pytest.fixture
async def people(database: Database, tenant: Tenant) -> Segment:
    """A segment of the tenant's, computed once."""
    people = await Segment.create(database, tenant.id)
    await people.compute(USERS)
    return people


async def activate(tenant: Tenant, segment: Segment, receiver: Receiver) -> pb.Activation:
    """A connector whose first sync is queued."""
    created = await tenant.create(segment.id, "webhook", {"url": receiver.url})
    return await tenant.update(created.id, status="active")


async def is_synced(tenant: Tenant, connector: pb.Activation, seconds: float = SOON_SECONDS) -> None:
    """Returns when a sync of the connector was complete."""

    async def synced() -> bool:
        return (await tenant.get(connector.id)).last_synced_at.WhichOneof("kind") == "string_value"

    await until(synced, seconds)


async def arrived(receiver: Receiver, requests: int) -> None:
    """Returns when the receiver got so many requests."""

    async def enough() -> bool:
        return receiver.arrived >= requests

    await until(enough)


def jobs(settings: Settings, connector: pb.Activation) -> list[str]:
    """The states of the connector's jobs."""
    with psycopg.connect(settings.libpq_dsn) as connection:
        statement = "SELECT status::text FROM procrastinate_jobs WHERE lock = %s ORDER BY id"
        return [status for (status,) in connection.execute(statement, (f"sync {connector.id}",))]


def position(settings: Settings, connector: pb.Activation) -> str | None:
    """The last user id up to which everything was accepted, once it is written."""
    with psycopg.connect(settings.libpq_dsn) as connection:
        row = connection.execute("SELECT sent_through FROM activations WHERE id = %s", (connector.id,)).fetchone()
    return row[0] if row else None


async def test_a_killed_processs_sync_goes_on_where_it_stopped(
    tenant: Tenant, process: ServiceProcess, people: Segment, receiver: Receiver, settings: Settings
) -> None:
    receiver.mischief.then(*[None] * PARALLEL, *[Fault.HANG] * PARALLEL)
    connector = await activate(tenant, people, receiver)
    await arrived(receiver, 2 * PARALLEL)
    through = wait_for(lambda: position(settings, connector))
    process.kill()
    done = {id_ for id_, body in receiver.deliveries.items() if max(json.loads(body)["entered"]) <= through}
    earlier = len(receiver.repeats)
    process.start()
    await is_synced(tenant, connector)
    assert receiver.segments[people.id] == people.members
    assert done
    assert done.isdisjoint(receiver.repeats[earlier:])
    [log] = (await tenant.logs(connector.id)).results
    assert (log.status, log.added, log.user_count) == ("success", len(USERS), len(USERS))


async def test_a_stop_puts_a_running_sync_back_within_the_drain(
    tenant: Tenant, process: ServiceProcess, people: Segment, receiver: Receiver, settings: Settings
) -> None:
    receiver.mischief.then(*[Fault.HANG] * PARALLEL)
    connector = await activate(tenant, people, receiver)
    await arrived(receiver, PARALLEL)
    started = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - started < settings.drain_seconds
    assert jobs(settings, connector) == ["todo"]
    process.start()
    await is_synced(tenant, connector)
    assert receiver.segments[people.id] == people.members


async def test_two_processes_sync_a_connector_once(
    tenant: Tenant, process: ServiceProcess, people: Segment, settings: Settings
) -> None:
    listen = f"unix:{settings.run_dir / 'connectors-2.sock'}"
    second = ServiceProcess(settings, "connectors", **LOOPBACK, **QUICK, SEGOPS_LISTEN=listen)
    second.start()
    with serving(Receiver()) as receiver:
        connectors = [await activate(tenant, people, receiver) for _ in range(6)]
        for connector in connectors:
            await is_synced(tenant, connector)
        assert second.stop() == 0
        assert (len(receiver.deliveries), receiver.repeated) == (6 * len(USERS) / 1000, 0)


async def test_an_owner_hurries_a_sync_that_waits(
    tenant: Tenant, process: ServiceProcess, people: Segment, receiver: Receiver, settings: Settings
) -> None:
    async def has_failed() -> bool:
        return (await tenant.get(connector.id)).last_error.WhichOneof("kind") == "string_value"

    receiver.mischief.retry_after = 3600
    receiver.mischief.then(*[Fault.THROTTLE] * PARALLEL)
    connector = await activate(tenant, people, receiver)
    await until(has_failed)
    assert (await tenant.get(connector.id)).status == "active"
    assert jobs(settings, connector) == ["todo"]
    assert await tenant.sync(connector.id) == "queued"
    await is_synced(tenant, connector)
    assert (await tenant.get(connector.id)).last_error.WhichOneof("kind") == "null_value"


async def test_at_most_one_sync_waits_however_often_it_is_asked_for(
    tenant: Tenant, process: ServiceProcess, people: Segment, receiver: Receiver, settings: Settings
) -> None:
    receiver.mischief.then(*[Fault.HANG] * PARALLEL)
    connector = await activate(tenant, people, receiver)
    await arrived(receiver, PARALLEL)
    for status in ("inactive", "active") * 5:
        await tenant.update(connector.id, status=status)
        await tenant.sync(connector.id)
    assert sorted(jobs(settings, connector)) in (["doing"], ["doing", "todo"])
    process.kill()
    process.start()
    await is_synced(tenant, connector)
    assert receiver.segments[people.id] == people.members

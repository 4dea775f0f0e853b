"""A tenant's rules: a change holds on every replica within one second, and PostgreSQL may be away."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import grpc
import pytest

from services.gen.segops.ingestion.v1 import schemas_pb2 as pb
from services.ingestion.rules import TenantRules
from services.kit.errors import Unavailable
from services.kit.listening import Listener
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms
from services.kit.wire import nullable
from tests.integration.ingestion.conftest import Client, Platform, eventually
from tests.integration.ingestion.declared import TOTAL, Registry, set_plan

WITHIN_SECONDS = 1.0
SOON_SECONDS = 2.0
ORDER = '{"user_id": "u", "event_type": "order"}'


@pytest.fixture
def registry(platform: Platform, channel: grpc.aio.Channel, client: Client) -> Registry:
    """The schemas of the client's tenant."""
    return Registry(platform.settings, channel, client.tenant_id)


@pytest.fixture
def other(platform: Platform, replica_channel: grpc.aio.Channel, client: Client) -> Client:
    """The same tenant's caller of the other replica."""
    return Client(platform.settings, replica_channel, tenant_id=client.tenant_id)


@pytest.fixture
async def rules(platform: Platform) -> AsyncIterator[TenantRules]:
    """Rules as a process remembers them, while they are heard of."""
    database, listener = Database.connect(platform.settings), Listener(platform.settings, "ingestion")
    rules = TenantRules(database, listener, Pseudonyms("key"))

    async def is_listening() -> bool:
        return listener.is_connected()

    await eventually(is_listening)
    yield rules
    await rules.close()
    await database.close()


@contextmanager
def postgres_hangs(platform: Platform) -> Iterator[None]:
    platform.signal_postgres(signal.SIGSTOP)
    try:
        yield
    finally:
        platform.signal_postgres(signal.SIGCONT)


async def outcome(client: Client) -> str:
    try:
        await client.track(ORDER)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def becomes(client: Client, code: str, seconds: float = WITHIN_SECONDS) -> None:
    async def is_code() -> bool:
        return await outcome(client) == code

    await eventually(is_code, seconds)


async def test_a_change_holds_on_every_replica_within_a_second(
    registry: Registry, client: Client, other: Client
) -> None:
    replicas = (client, other)
    assert [await outcome(replica) for replica in replicas] == ["OK", "OK"]
    made = await registry.create("order", TOTAL)
    await asyncio.gather(*(becomes(replica, "INVALID_ARGUMENT") for replica in replicas))
    await registry.call("UpdateSchema", pb.UpdateSchemaRequest(id=made.id, event_type=nullable("bill")))
    await asyncio.gather(*(becomes(replica, "OK") for replica in replicas))
    await registry.call("UpdateSchema", pb.UpdateSchemaRequest(id=made.id, event_type=nullable("order")))
    await asyncio.gather(*(becomes(replica, "INVALID_ARGUMENT") for replica in replicas))
    await registry.call("DeleteSchema", pb.DeleteSchemaRequest(id=made.id))
    await asyncio.gather(*(becomes(replica, "OK") for replica in replicas))


async def test_changes_hold_also_while_their_announcements_are_lost(
    platform: Platform, registry: Registry, client: Client, other: Client
) -> None:
    # Both at once: whoever came back is not ended again before the other one is.
    end_listening = """
        WITH listening AS (SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN ingestion')
        SELECT pg_terminate_backend(pid) FROM listening WHERE (SELECT count(*) FROM listening) >= 2"""

    async def was_ended() -> bool:
        with platform.database() as connection:
            return len(connection.execute(end_listening).fetchall()) >= 2

    for _ in range(3):
        assert [await outcome(replica) for replica in (client, other)] == ["OK", "OK"]
        await eventually(was_ended)
        made = await registry.create("order", TOTAL)
        await asyncio.gather(*(becomes(replica, "INVALID_ARGUMENT") for replica in (client, other)))
        await registry.call("DeleteSchema", pb.DeleteSchemaRequest(id=made.id))
        await asyncio.gather(*(becomes(replica, "OK") for replica in (client, other)))


async def test_what_is_known_holds_while_postgresql_hangs_and_what_is_not_is_refused_soon(
    platform: Platform, channel: grpc.aio.Channel, registry: Registry, client: Client
) -> None:
    await registry.create("order", TOTAL)
    await becomes(client, "INVALID_ARGUMENT")
    unknown = Client(platform.settings, channel)
    with postgres_hangs(platform):
        started = time.monotonic()
        assert await outcome(client) == "INVALID_ARGUMENT"
        outcomes = await asyncio.gather(*(outcome(unknown) for _ in range(20)))
        assert set(outcomes) == {"UNAVAILABLE"}
        assert time.monotonic() - started < SOON_SECONDS
    await becomes(unknown, "OK", seconds=10)


async def test_what_is_known_holds_while_postgresql_is_restarted(
    platform: Platform, channel: grpc.aio.Channel, registry: Registry, client: Client
) -> None:
    made = await registry.create("order", TOTAL)
    await becomes(client, "INVALID_ARGUMENT")
    server = platform.running.find("postgres")
    assert server is not None
    server.send_signal(signal.SIGINT)
    server.wait(10)
    while platform.running.database() is None:
        assert await outcome(client) == "INVALID_ARGUMENT"

    async def is_deleted() -> bool:
        with suppress(Unavailable):
            await registry.call("DeleteSchema", pb.DeleteSchemaRequest(id=made.id))
            return True
        return False

    await eventually(is_deleted)
    await becomes(client, "OK")
    assert await outcome(Client(platform.settings, channel)) == "OK"


async def test_a_load_that_a_change_overtook_is_not_remembered(
    platform: Platform, rules: TenantRules, client: Client
) -> None:
    tenant_id = client.tenant_id
    set_plan(platform, tenant_id, "free")
    heard = asyncio.Event()
    listener = Listener(platform.settings, "ingestion")
    listening = asyncio.create_task(listener.run(lambda _: heard.set(), lambda: None))
    with platform.database() as lock, lock.transaction():
        # The load has read the plan when it comes to the schemas, and waits.
        lock.execute("LOCK event_schemas IN ACCESS EXCLUSIVE MODE")
        loading = asyncio.create_task(rules.plan(tenant_id))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

        async def waits() -> bool:
            with platform.database() as connection:
                return listener.is_connected() and connection.execute(waiting).fetchone() == (1,)

        await eventually(waits)
        heard.clear()
        set_plan(platform, tenant_id, "starter")
        await heard.wait()
    listening.cancel()
    # On a busy machine it may have taken longer than anyone waits.
    await asyncio.gather(loading, return_exceptions=True)

    async def is_new() -> bool:
        return (await rules.plan(tenant_id)).name == "starter"

    await eventually(is_new, WITHIN_SECONDS)


async def test_rules_are_remembered_until_they_change(platform: Platform, rules: TenantRules, client: Client) -> None:
    set_plan(platform, client.tenant_id, "business")
    await rules.plan(client.tenant_id)
    known = await rules.schemas(client.tenant_id)
    with postgres_hangs(platform):
        assert (await rules.plan(client.tenant_id)).name == "business"
        assert await rules.schemas(client.tenant_id) is known
    set_plan(platform, client.tenant_id, "free")

    async def is_new() -> bool:
        return (await rules.plan(client.tenant_id)).name == "free"

    await eventually(is_new, WITHIN_SECONDS)

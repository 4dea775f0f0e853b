"""A compute that was queued runs, whatever process dies."""

import time
from contextlib import suppress

import psycopg

from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.segments.calling import Tenant, at_least, until
from tests.integration.segments.events import bring_in
from tests.integration.segments.holding import holding
from tests.integration.segments.ledger import changes, runs
from tests.integration.segments.process import SegmentsProcess
from tests.integration.warehouse.processes import Warehouse

# "Soon": a heartbeat goes missing, the next look notices, the next poll takes the job.
SOON_SECONDS = 15.0


async def test_a_killed_processs_compute_is_taken_up_by_the_next(
    tenant: Tenant, warehouse: Warehouse, database: Database, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["stays", "leaves"])
    await bring_in(warehouse, tenant.id, "seen", ["stays"])
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    await tenant.update(segment.id, definition=at_least("seen", 2))
    async with holding(database, tenant) as is_waiting:
        await tenant.queue(segment.id)
        await is_waiting()
        process.kill()
    process.start()
    assert (await tenant.get(segment.id)).status == "computing"
    assert await tenant.walk(segment.id, 10) == ["leaves", "stays"]
    computed = await tenant.settled(segment.id, SOON_SECONDS)
    assert (computed.status, computed.member_count) == ("computed", 1)
    assert await tenant.walk(segment.id, 10) == ["stays"]
    assert await changes(database, tenant, segment.id) == [["+leaves", "+stays"], ["-leaves"]]


async def test_a_compute_queued_while_no_worker_runs_is_not_lost(
    tenant: Tenant, warehouse: Warehouse, database: Database, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = [await tenant.create(definition=at_least("seen")) for _ in range(6)]
    async with holding(database, tenant):
        for segment in segments:
            await tenant.queue(segment.id)
        assert process.stop() == 0
    process.start()
    settled = [await tenant.settled(segment.id, SOON_SECONDS) for segment in segments]
    assert {(segment.status, segment.member_count) for segment in settled} == {("computed", 1)}


async def test_a_stop_puts_a_running_compute_back_within_the_drain(
    tenant: Tenant, warehouse: Warehouse, database: Database, settings: Settings, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))
    async with holding(database, tenant) as is_waiting:
        await tenant.queue(segment.id)
        await is_waiting()
        started = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - started < settings.drain_seconds
    process.start()
    assert (await tenant.settled(segment.id, SOON_SECONDS)).status == "computed"


async def test_two_processes_run_one_compute_once(
    tenant: Tenant, warehouse: Warehouse, database: Database, settings: Settings, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = [await tenant.create(definition=at_least("seen")) for _ in range(10)]
    second = SegmentsProcess(settings, SEGOPS_LISTEN=f"unix:{settings.run_dir / 'segments-2.sock'}")
    second.start()
    for segment in segments:
        await tenant.queue(segment.id)
    settled = [await tenant.settled(segment.id) for segment in segments]
    assert second.stop() == 0
    assert {segment.status for segment in settled} == {"computed"}
    assert len(await runs(database, tenant, *(segment.id for segment in segments))) == len(segments)


async def test_lost_connections_to_postgresql_are_made_again(
    tenant: Tenant, warehouse: Warehouse, settings: Settings, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))
    with psycopg.connect(settings.libpq_dsn, autocommit=True) as connection:
        connection.execute("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE usename = current_user AND pid <> pg_backend_pid()""")

    async def member() -> list[int] | None:
        # What is refused meanwhile says that it may be tried again.
        with suppress(Unavailable):
            await tenant.compute(segment.id)
            return await tenant.membership("u")
        return None

    assert await until(member) == [segment.id]
    assert process.stop() == 0
    process.start()

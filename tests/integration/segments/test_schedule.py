"""Segments that are computed by their schedule."""

from datetime import UTC, datetime, timedelta

from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.segments.calling import Tenant, at_least, until
from tests.integration.segments.conftest import QUICK
from tests.integration.segments.events import bring_in
from tests.integration.segments.holding import holding
from tests.integration.segments.ledger import make_due, refresh_at, rows, runs
from tests.integration.segments.process import SegmentsProcess
from tests.integration.warehouse.processes import Warehouse

HALF_AN_HOUR = timedelta(minutes=30)


async def planned(database: Database, tenant: Tenant, segment_id: int) -> datetime:
    """The next time of a segment's schedule, once it lies in the future."""

    async def in_future() -> datetime | None:
        at = await refresh_at(database, tenant, segment_id)
        return at if at and at > datetime.now(UTC) else None

    return await until(in_future)


async def test_a_schedule_begins_and_ends_with_what_it_needs(tenant: Tenant, database: Database) -> None:
    before = datetime.now(UTC)
    segment = await tenant.create(definition=at_least("seen"), refresh_minutes=30)
    begun = await planned(database, tenant, segment.id)
    assert before + HALF_AN_HOUR <= begun <= datetime.now(UTC) + HALF_AN_HOUR
    await tenant.update(segment.id, name="renamed", definition=at_least("other"))
    assert await refresh_at(database, tenant, segment.id) == begun
    for without, again in (
        ({"is_active": False}, {"is_active": True}),
        ({"definition": None}, {"definition": at_least("seen")}),
        ({"refresh_minutes": None}, {"refresh_minutes": 30}),
    ):
        await tenant.update(segment.id, **without)
        assert await refresh_at(database, tenant, segment.id) is None
        await tenant.update(segment.id, **again)
        assert await planned(database, tenant, segment.id) > begun
    await tenant.replace(segment.id, name="n")
    assert await refresh_at(database, tenant, segment.id) is None
    assert await runs(database, tenant, segment.id) == []


async def test_a_due_segment_is_computed_and_planned_in_the_rhythm_of_its_schedule(
    tenant: Tenant, warehouse: Warehouse, database: Database, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"), refresh_minutes=30)
    # As after a platform that was down for three days.
    await make_due(database, tenant, segment.id, timedelta(days=3, minutes=10))
    due = await refresh_at(database, tenant, segment.id)
    assert due is not None
    following = await planned(database, tenant, segment.id)
    assert (following - due) % HALF_AN_HOUR == timedelta(0)
    assert following <= datetime.now(UTC) + HALF_AN_HOUR
    computed = await tenant.settled(segment.id)
    assert (computed.status, computed.member_count) == ("computed", 1)
    assert [run.cause for run in await runs(database, tenant, segment.id)] == ["schedule"]


async def test_several_processes_queue_a_due_segment_once(
    tenant: Tenant, warehouse: Warehouse, database: Database, settings: Settings, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = [(await tenant.create(definition=at_least("seen"), refresh_minutes=5)).id for _ in range(10)]
    second = SegmentsProcess(settings, SEGOPS_LISTEN=f"unix:{settings.run_dir / 'segments-2.sock'}", **QUICK)
    second.start()
    for _ in range(3):
        for segment_id in segments:
            await make_due(database, tenant, segment_id)
        for segment_id in segments:
            await planned(database, tenant, segment_id)
            await tenant.settled(segment_id)
    assert second.stop() == 0
    counted = await rows(database, tenant, "SELECT segment_id, count(*) FROM segment_runs GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in counted] == [(segment_id, 3) for segment_id in segments]


async def test_a_segment_that_is_computing_is_passed_over_and_planned(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"), refresh_minutes=30)
    async with holding(database, tenant) as is_waiting:
        await tenant.queue(segment.id)
        await is_waiting()
        await make_due(database, tenant, segment.id)
        await planned(database, tenant, segment.id)
    await tenant.settled(segment.id)
    assert [run.cause for run in await runs(database, tenant, segment.id)] == ["requested"]


async def test_a_segment_whose_compute_fails_keeps_its_schedule(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"), refresh_minutes=30)
    await rows(database, tenant, """UPDATE segments SET definition = '{"logic": "NONE"}' RETURNING id""")
    await make_due(database, tenant, segment.id)
    await planned(database, tenant, segment.id)
    assert (await tenant.settled(segment.id)).status == "failed"
    await rows(database, tenant, f"UPDATE segments SET definition = '{DEFINITION}' RETURNING id")
    await make_due(database, tenant, segment.id)
    await planned(database, tenant, segment.id)
    assert (await tenant.settled(segment.id)).status == "computed"


DEFINITION = (
    '{"logic": "AND", "conditions": [{"type": "event_count", "event_type": "seen", "operator": "gte", "value": 1}]}'
)

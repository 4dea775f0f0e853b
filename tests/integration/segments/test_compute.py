"""Computing: who is in, who enters and leaves, what is answered meanwhile, and what a failure leaves."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Invalid, NotFound
from services.kit.postgres import Database
from services.kit.wire import moment
from tests.integration.segments.calling import Tenant, at_least, until
from tests.integration.segments.events import bring_in
from tests.integration.segments.holding import holding
from tests.integration.segments.process import SegmentsProcess
from tests.integration.warehouse.processes import Warehouse

ODD_IDS = ["a@b.c", "back\\slash", "über/1 🛒", "with space", "\\N", "\\.", "x" * 256, "'quote\""]


async def jobs_of(database: Database, segment_id: int) -> int:
    async with database.system() as connection:
        statement = text("""
            SELECT count(*) FROM procrastinate_jobs
            WHERE queue_name = 'segments' AND (args->>'segment_id')::int = :id""")
        return int((await connection.execute(statement, {"id": segment_id})).scalar_one())


async def written_at(database: Database, tenant: Tenant, segment_id: int) -> dict[str, tuple[datetime, str]]:
    """When each member entered, and the transaction that wrote its row."""
    async with database.tenant(tenant.id) as connection:
        statement = text("SELECT user_id, entered_at, xmin::text FROM memberships WHERE segment_id = :id")
        return {
            row.user_id: (row.entered_at, row.xmin) for row in await connection.execute(statement, {"id": segment_id})
        }


async def test_a_compute_makes_members_of_all_who_match(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", ODD_IDS)
    await bring_in(warehouse, tenant.id, "other", ["someone else"])
    segment = await tenant.create(definition=at_least("seen"))
    started = datetime.now(UTC).replace(microsecond=0)
    assert await tenant.queue(segment.id) == "queued"
    computed = await tenant.settled(segment.id)
    assert (computed.status, computed.member_count) == ("computed", len(ODD_IDS))
    assert computed.last_computed_at.string_value >= f"{started:%Y-%m-%dT%H:%M:%SZ}"
    page = await tenant.members(segment.id)
    assert [member.user_id for member in page.results] == sorted(ODD_IDS, key=str.encode)
    assert (page.count, page.next_cursor.string_value) == (len(ODD_IDS), "")
    for member in page.results:
        assert f"{moment(member.computed_at):%Y-%m-%dT%H:%M:%SZ}" == computed.last_computed_at.string_value
        assert member.entered_at == member.computed_at
        assert await tenant.membership(member.user_id) == [segment.id]


async def test_a_recompute_writes_only_what_changed(tenant: Tenant, warehouse: Warehouse, database: Database) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["leaves", "stays"])
    await bring_in(warehouse, tenant.id, "seen", ["stays"])
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    before = await written_at(database, tenant, segment.id)
    await bring_in(warehouse, tenant.id, "seen", ["enters"])
    await bring_in(warehouse, tenant.id, "seen", ["enters"])
    await tenant.update(segment.id, definition=at_least("seen", 2))
    computed = await tenant.compute(segment.id)
    after = await written_at(database, tenant, segment.id)
    assert after.keys() == {"stays", "enters"}
    assert computed.member_count == 2
    assert after["stays"] == before["stays"]
    assert after["enters"][0] > before["stays"][0]


async def test_a_changed_definition_does_not_compute(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    changed = await tenant.update(segment.id, definition=at_least("never"))
    assert (changed.status, changed.member_count, changed.version) == ("computed", 1, 2)
    assert await tenant.membership("u") == [segment.id]
    assert (await tenant.compute(segment.id)).member_count == 0
    assert await tenant.membership("u") == []


async def test_a_segment_without_a_definition_cannot_be_computed(tenant: Tenant) -> None:
    segment = await tenant.create()
    with pytest.raises(Invalid) as raised:
        await tenant.queue(segment.id)
    assert raised.value.body() == {"detail": "The segment has no definition."}
    assert (await tenant.get(segment.id)).status == "draft"


async def test_calls_at_the_same_time_queue_one_compute(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))
    async with holding(database, tenant):
        answers = await asyncio.gather(*(tenant.queue(segment.id) for _ in range(20)))
        assert answers == ["queued"] * 20
        assert await jobs_of(database, segment.id) == 1
        assert (await tenant.get(segment.id)).status == "computing"
        assert await tenant.queue(segment.id) == "queued"
        assert await jobs_of(database, segment.id) == 1
    assert (await tenant.settled(segment.id)).status == "computed"


async def test_the_old_membership_is_read_until_the_new_one_is_there(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["old"])
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    await tenant.update(segment.id, definition=at_least("never"))
    async with holding(database, tenant) as is_waiting:
        await tenant.queue(segment.id)
        await is_waiting()
        assert await tenant.membership("old") == [segment.id]
        assert await tenant.walk(segment.id, 10) == ["old"]
        assert (await tenant.update(segment.id, name="still editable")).status == "computing"
    assert (await tenant.settled(segment.id)).member_count == 0
    assert await tenant.walk(segment.id, 10) == []


async def test_a_segment_deleted_while_it_computes_stays_deleted(
    tenant: Tenant, warehouse: Warehouse, database: Database, process: SegmentsProcess
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))
    said = len(process.said())
    async with holding(database, tenant) as is_waiting:
        await tenant.queue(segment.id)
        await is_waiting()
        deleting = asyncio.create_task(tenant.delete(segment.id))
    await deleting
    with pytest.raises(NotFound):
        await tenant.get(segment.id)

    async def is_done() -> bool:
        return await jobs_of(database, segment.id) == 0

    await until(is_done)
    assert await tenant.membership("u") == []
    assert await written_at(database, tenant, segment.id) == {}
    assert '"ERROR"' not in process.said()[said:]


async def test_a_failed_compute_says_why_and_keeps_the_membership(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))
    before = await tenant.compute(segment.id)
    async with database.tenant(tenant.id) as connection:
        # As a definition would be that an older version of the platform took.
        statement = text("""UPDATE segments SET definition = '{"logic": "NONE", "conditions": []}' WHERE id = :id""")
        await connection.execute(statement, {"id": segment.id})
    failed = await tenant.compute(segment.id)
    assert failed.status == "failed"
    assert failed.last_error.string_value.startswith("The definition is not valid: logic")
    assert (failed.member_count, failed.last_computed_at) == (1, before.last_computed_at)
    assert await tenant.membership("u") == [segment.id]
    await tenant.update(segment.id, definition=at_least("seen"))
    computed = await tenant.compute(segment.id)
    assert (computed.status, computed.last_error.WhichOneof("kind")) == ("computed", "null_value")


async def test_an_inactive_segments_membership_is_answered(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"), is_active=False)
    await tenant.compute(segment.id)
    assert await tenant.membership("u") == [segment.id]


async def test_a_preview_counts_and_stores_nothing(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", [f"u{number:03}" for number in range(150)])

    async def preview(**fields: Any) -> pb.SegmentPreview:
        segment = await tenant.create(definition=at_least("seen"))
        request = pb.PreviewSegmentRequest(definition=segment.definition, **fields)
        found: pb.SegmentPreview = await tenant.call("PreviewSegment", request)
        assert await tenant.membership("u000") == []
        return found

    found = await preview()
    assert (found.matched_users, list(found.sample_user_ids)) == (150, [f"u{number:03}" for number in range(10)])
    assert "SELECT" in found.sql
    assert len((await preview(limit=100)).sample_user_ids) == 100


async def test_a_wrong_preview_is_answered_with_every_wrong_field(tenant: Tenant) -> None:
    for limit in (0, 101, -1):
        with pytest.raises(Invalid) as raised:
            await tenant.call("PreviewSegment", pb.PreviewSegmentRequest(limit=limit))
        assert raised.value.fields.keys() == {"definition", "limit"}

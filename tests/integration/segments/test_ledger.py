"""What a compute writes: a run, a change for each user who entered or left, and nothing for those who stay."""

import asyncio

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.postgres import Database
from tests.integration.segments.calling import Tenant, at_least, member_of
from tests.integration.segments.events import bring_in
from tests.integration.segments.ledger import changes, rows, runs
from tests.integration.warehouse.processes import Warehouse


async def test_each_compute_writes_a_run_and_what_changed(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "one", ["a", "b"])
    await bring_in(warehouse, tenant.id, "two", ["b", "c", "d"])
    segment = await tenant.create(definition=at_least("one"))
    for event_type in ("one", "one", "two", "none"):
        await tenant.update(segment.id, definition=at_least(event_type))
        segment = await tenant.compute(segment.id)
    written = await runs(database, tenant, segment.id)
    assert [(run.version, run.cause, run.entered, run.exited, run.member_count) for run in written] == [
        (1, "requested", 2, 0, 2),
        (1, "requested", 0, 0, 2),
        (2, "requested", 2, 1, 3),
        (3, "requested", 0, 3, 0),
    ]
    assert await changes(database, tenant, segment.id) == [["+a", "+b"], ["-a", "+c", "+d"], ["-b", "-c", "-d"]]
    [row] = await rows(database, tenant, "SELECT last_run_id, last_computed_at FROM segments")
    assert tuple(row) == (written[-1].id, written[-1].computed_at)
    assert f"{row.last_computed_at:%Y-%m-%dT%H:%M:%SZ}" == segment.last_computed_at.string_value


async def test_a_recompute_in_which_one_in_a_hundred_changed_writes_one_in_a_hundred(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    users = [f"user-{number:05}" for number in range(10_000)]
    await bring_in(warehouse, tenant.id, "before", users[:-50])
    await bring_in(warehouse, tenant.id, "after", users[50:])
    segment = await tenant.create(definition=at_least("before"))
    await tenant.compute(segment.id)
    await tenant.update(segment.id, definition=at_least("after"))
    assert (await tenant.compute(segment.id)).member_count == 9_950
    first, second = await runs(database, tenant, segment.id)
    assert (second.entered, second.exited) == (50, 50)
    written = await rows(
        database, tenant, "SELECT count(*) AS many FROM membership_changes GROUP BY run_id ORDER BY run_id"
    )
    assert [row.many for row in written] == [9_950, 100]
    entered = await rows(database, tenant, "SELECT entered_at, count(*) FROM memberships GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in entered] == [(first.computed_at, 9_900), (second.computed_at, 50)]


async def test_a_failed_compute_leaves_no_trace_in_the_ledger(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    before = await runs(database, tenant, segment.id)
    await rows(database, tenant, """UPDATE segments SET definition = '{"logic": "NONE"}' RETURNING id""")
    assert (await tenant.compute(segment.id)).status == "failed"
    assert await runs(database, tenant, segment.id) == before


async def test_readers_see_the_old_or_the_new_membership_and_never_a_mix(tenant: Tenant, warehouse: Warehouse) -> None:
    left, right = ([f"{side}-{number:03}" for number in range(500)] for side in ("left", "right"))
    await bring_in(warehouse, tenant.id, "left", left)
    await bring_in(warehouse, tenant.id, "right", right)
    segment = await tenant.create(definition=at_least("left"))
    await tenant.compute(segment.id)
    flipping = asyncio.create_task(_flip(tenant, segment.id, times=12))
    seen = set()
    while not flipping.done():
        page = await tenant.members(segment.id, limit=1_000)
        found = [member.user_id for member in page.results]
        assert (found, page.count) in ((left, 500), (right, 500))
        seen.add(found[0])
        request = pb.BatchGetMembershipRequest(user_ids=[*left[::4], *right[::4]])
        answer: pb.MembershipBatch = await tenant.call("BatchGetMembership", request)
        assert [entry.user_id for entry in answer.results if entry.segments] in (left[::4], right[::4])
    await flipping
    assert seen == {left[0], right[0]}


async def _flip(tenant: Tenant, segment_id: int, *, times: int) -> None:
    for turn in range(times):
        await tenant.update(segment_id, definition=at_least("left" if turn % 2 else "right"))
        assert (await tenant.compute(segment_id)).member_count == 500


async def test_a_deleted_segment_leaves_nothing_behind(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    base = await tenant.create(definition=at_least("seen"))
    segment = await tenant.create(definition=member_of(base.id))
    await tenant.update(segment.id, definition=at_least("seen"))
    await tenant.compute(segment.id)
    await tenant.update(segment.id, definition=member_of(base.id))
    await tenant.delete(segment.id)
    for table in ("memberships", "membership_changes", "segment_runs", "segment_references"):
        assert await rows(database, tenant, f"SELECT * FROM {table}") == []
    assert len(await rows(database, tenant, "SELECT * FROM segment_versions")) == 1

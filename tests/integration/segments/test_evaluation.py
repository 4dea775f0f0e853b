"""Asking about definitions: previews, diffs and estimates, with stored memberships and at past times."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Invalid, NotFound
from services.kit.postgres import Database
from tests.integration.segments.calling import Tenant, at_least, member_of
from tests.integration.segments.events import bring_in
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import RECEIVED_AT, Event, rows

ODD_IDS = ["back\\slash", "über 🛒", "tab\\t", "\\N", "'quote\""]


async def matching(tenant: Tenant, definition: dict[str, object], **fields: Any) -> list[str]:
    """The users a definition matches."""
    found = await tenant.preview(definition, limit=100, **fields)
    assert found.matched_users == len(found.sample_user_ids)
    return list(found.sample_user_ids)


def kinds(diff: pb.SegmentDiff) -> tuple[int, int, int]:
    return diff.entering, diff.leaving, diff.staying


async def test_a_definition_sees_the_stored_membership_of_other_segments(tenant: Tenant, warehouse: Warehouse) -> None:
    users = sorted([*ODD_IDS, "a", "b"], key=str.encode)
    await bring_in(warehouse, tenant.id, "seen", users)
    base = (await tenant.create(definition=at_least("seen"))).id
    assert await matching(tenant, member_of(base)) == []
    assert await matching(tenant, member_of(base, "not_in")) == users
    await tenant.compute(base)
    await bring_in(warehouse, tenant.id, "seen", ["later"])
    assert await matching(tenant, member_of(base)) == users
    assert await matching(tenant, member_of(base, "not_in")) == ["later"]
    await tenant.update(base, definition=at_least("seen", 2))
    await bring_in(warehouse, tenant.id, "seen", ["a"])
    await tenant.compute(base)
    assert await matching(tenant, member_of(base)) == ["a"]
    follower = await tenant.create(definition=member_of(base, "not_in"))
    assert (await tenant.compute(follower.id)).member_count == len(users)


async def test_a_ledger_of_many_chunks_is_mirrored_whole_by_all_who_need_it_at_once(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    base = (await tenant.create(definition=at_least("seen"))).id
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    await tenant.compute(base)
    many = 40_000
    async with database.tenant(tenant.id) as connection:
        # As 20 computes would write them; ids of 256 letters, so that they fill three chunks.
        statement = text("""
            WITH run AS (
              INSERT INTO segment_runs
                (tenant_id, segment_id, version, cause, computed_at, entered, exited, member_count)
              SELECT :tenant_id, :id, 1, 'requested', now(), 0, 0, 0 FROM generate_series(1, 20)
              RETURNING id),
            changed AS (
              INSERT INTO membership_changes (segment_id, run_id, user_id, tenant_id, entered)
              SELECT :id, run.id, rpad(run.id || '-' || number, 256, 'x'), :tenant_id, true
              FROM run, generate_series(1, :many / 20) AS number)
            UPDATE segments SET last_run_id = (SELECT max(id) FROM run) WHERE id = :id""")
        await connection.execute(statement, {"tenant_id": tenant.id, "id": base, "many": many})
    answers = await asyncio.gather(*(tenant.diff(base, definition=at_least("seen")) for _ in range(3)))
    assert {kinds(answer) for answer in answers} == {(0, many, 1)}


async def test_a_diff_compares_a_definition_with_the_membership(tenant: Tenant, warehouse: Warehouse) -> None:
    users = [f"user-{number:02}" for number in range(30)]
    await bring_in(warehouse, tenant.id, "old", users[:18])
    await bring_in(warehouse, tenant.id, "new", users[12:])
    segment = await tenant.create(definition=at_least("old"))
    assert kinds(await tenant.diff(segment.id)) == (18, 0, 0)
    computed = await tenant.compute(segment.id)
    assert kinds(await tenant.diff(segment.id)) == (0, 0, 18)
    diff = await tenant.diff(segment.id, definition=at_least("new"))
    assert kinds(diff) == (12, 12, 6)
    assert (list(diff.sample_entering_ids), list(diff.sample_leaving_ids)) == (users[18:28], users[:10])
    other = await tenant.create(definition=member_of(segment.id, "not_in"))
    assert kinds(await tenant.diff(other.id)) == (12, 0, 0)
    assert await tenant.get(segment.id) == computed


async def test_a_diff_at_a_past_time_compares_with_the_membership_of_then(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "one", ["a", "b"])
    await bring_in(warehouse, tenant.id, "two", ["b", "c", "d"])
    segment = await tenant.create(definition=at_least("one"))
    before = datetime.now(UTC)
    await tenant.compute(segment.id)
    between = datetime.now(UTC)
    await tenant.update(segment.id, definition=at_least("two"))
    await tenant.compute(segment.id)
    follower = member_of(segment.id)
    for moment, expected, members in (
        (before, (3, 0, 0), []),
        (between, (2, 1, 1), ["a", "b"]),
        (datetime.now(UTC), (0, 0, 3), ["b", "c", "d"]),
    ):
        as_of = moment.isoformat()
        assert kinds(await tenant.diff(segment.id, as_of=as_of)) == expected
        assert await matching(tenant, follower, as_of=as_of) == members


async def test_a_preview_at_a_past_time_counts_what_had_happened(tenant: Tenant, warehouse: Warehouse) -> None:
    days = {"early": 30, "late": 10}
    events = [
        Event(user_id=user_id, event_type="seen", occurred_at=RECEIVED_AT - timedelta(days=ago))
        for user_id, ago in days.items()
    ]
    await warehouse.loaded(await warehouse.log.append(tenant.id, rows(tenant.id, *events)))
    for ago, expected in ((31, []), (29, ["early"]), (9, ["early", "late"])):
        as_of = (RECEIVED_AT - timedelta(days=ago)).isoformat()
        assert await matching(tenant, at_least("seen"), as_of=as_of) == expected
    assert await matching(tenant, at_least("seen"), as_of="0001-01-01T00:00:00Z") == []
    assert await matching(tenant, at_least("seen")) == ["early", "late"]


async def test_an_estimate_of_few_users_is_exact(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", [f"u{number}" for number in range(40)])
    await bring_in(warehouse, tenant.id, "bought", [f"u{number}" for number in range(15)])
    segment = await tenant.create(definition=at_least("bought"))
    await tenant.compute(segment.id)
    follower = await tenant.create(definition=member_of(segment.id, "not_in"))
    for segment_id, estimated in ((segment.id, 15), (follower.id, 25)):
        found: pb.SegmentEstimate = await tenant.call("EstimateSegment", pb.EstimateSegmentRequest(id=segment_id))
        assert (found.estimated_users, found.sampled) == (estimated, False)
        assert (found.sample_size, found.total_users) == (40, 40)


async def test_what_there_is_no_definition_for_is_refused(tenant: Tenant, new_tenant: Callable[[], Tenant]) -> None:
    segment = await tenant.create()
    for attempt in (
        tenant.diff(segment.id),
        tenant.call("EstimateSegment", pb.EstimateSegmentRequest(id=segment.id)),
    ):
        with pytest.raises(Invalid) as raised:
            await attempt
        assert raised.value.body() == {"detail": "The segment has no definition."}
    strangers = await new_tenant().create(definition=at_least("seen"))
    for segment_id in (strangers.id, 2**31 - 1):
        for attempt in (
            tenant.diff(segment_id, definition=at_least("seen")),
            tenant.call("EstimateSegment", pb.EstimateSegmentRequest(id=segment_id)),
        ):
            with pytest.raises(NotFound):
                await attempt

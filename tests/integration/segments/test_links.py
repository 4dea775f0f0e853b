"""Linked user ids are one user: in previews, computes and membership, for what was before the link and after."""

import asyncio
from collections.abc import Callable, Mapping

from sqlalchemy import text

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.postgres import Database
from tests.integration.segments.calling import Tenant, at_least, member_of
from tests.integration.segments.events import bring_in
from tests.integration.segments.test_evaluation import kinds, matching
from tests.integration.segments.test_membership import batch
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.test_link_mirror import append_text

# As the profiles service writes it.
LINK = text("""
    INSERT INTO user_links (tenant_id, user_id, linked_to, person_id)
    VALUES (:tenant_id, :user_id, :person_id, :person_id)
    ON CONFLICT (tenant_id, user_id) DO UPDATE
    SET linked_to = excluded.linked_to, person_id = excluded.person_id, version = excluded.version""")


async def link(database: Database, tenant: Tenant, persons: Mapping[str, str]) -> None:
    """Links user ids to persons."""
    rows = [{"tenant_id": tenant.id, "user_id": user, "person_id": person} for user, person in persons.items()]
    async with database.tenant(tenant.id) as connection:
        await connection.execute(LINK, rows)


async def entries(tenant: Tenant, user_id: str) -> list[tuple[int, str]]:
    """The segments of a user id, and since when."""
    answer: pb.Membership = await tenant.call("GetMembership", pb.GetMembershipRequest(user_id=user_id))
    assert answer.user_id == user_id
    return [(entry.segment_id, entry.entered_at.ToJsonString()) for entry in answer.segments]


async def test_histories_before_and_after_a_link_count_together(
    tenant: Tenant, new_tenant: Callable[[], Tenant], warehouse: Warehouse, database: Database
) -> None:
    other = new_tenant()
    for each in (tenant, other):
        await bring_in(warehouse, each.id, "seen", ["anon_a", "ann", "bob"])
    assert await matching(tenant, at_least("seen", 2)) == []
    await link(database, tenant, {"anon_a": "ann"})
    assert await matching(tenant, at_least("seen", 2)) == ["ann"]
    assert await matching(tenant, at_least("seen")) == ["ann", "bob"]
    await bring_in(warehouse, tenant.id, "seen", ["anon_a"])
    assert await matching(tenant, at_least("seen", 3)) == ["ann"]
    # Another person, then none.
    await link(database, tenant, {"anon_a": "bob"})
    assert await matching(tenant, at_least("seen", 2)) == ["bob"]
    await link(database, tenant, {"anon_a": "anon_a"})
    assert await matching(tenant, at_least("seen", 2)) == ["anon_a"]
    assert await matching(other, at_least("seen")) == ["ann", "anon_a", "bob"]


async def test_membership_of_any_id_is_that_of_the_person(
    tenant: Tenant, new_tenant: Callable[[], Tenant], warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["anon_a", "bob"])
    segment, other = [await tenant.create(name, definition=at_least("seen")) for name in ("first", "second")]
    for each in (segment, other):
        await tenant.compute(each.id)
    before = await entries(tenant, "anon_a")
    assert await entries(tenant, "ann") == []
    await link(database, tenant, {"anon_a": "ann", "anon_b": "ann"})
    await link(database, new_tenant(), {"bob": "ann"})
    for user_id in ("ann", "anon_a", "anon_b"):
        assert await entries(tenant, user_id) == before
    # The next compute knows persons only; whoever was in under another id has been in since then.
    await bring_in(warehouse, tenant.id, "seen", ["ann"])
    await tenant.compute(segment.id)
    assert [member.user_id for member in (await tenant.members(segment.id)).results] == ["ann", "bob"]
    for user_id in ("ann", "anon_a", "anon_b"):
        assert [segment_id for segment_id, _ in await entries(tenant, user_id)] == [segment.id, other.id]
        assert (await entries(tenant, user_id))[1] == before[1]
    results = await batch(tenant, ["anon_a", "nobody", "bob", "ann"])
    assert [result.user_id for result in results] == ["anon_a", "nobody", "bob", "ann"]
    assert [len(result.segments) for result in results] == [2, 0, 2, 2]
    assert results[0].segments == results[3].segments
    for user_id in ("ann", "anon_b"):
        found = (await tenant.call("ListUserSegments", pb.ListUserSegmentsRequest(user_id=user_id))).segments
        assert [entry.segment_name for entry in found] == ["first", "second"]


async def test_of_two_ids_that_are_members_the_earlier_says_since_when(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["anon_a"])
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    async with database.tenant(tenant.id) as connection:
        await connection.execute(text("UPDATE memberships SET entered_at = entered_at - interval '1 day'"))
    earlier = await entries(tenant, "anon_a")
    await bring_in(warehouse, tenant.id, "seen", ["ann"])
    await tenant.compute(segment.id)
    assert await entries(tenant, "ann") > earlier
    await link(database, tenant, {"anon_a": "ann"})
    assert await entries(tenant, "ann") == await entries(tenant, "anon_a") == earlier
    await tenant.compute(segment.id)
    assert [member.user_id for member in (await tenant.members(segment.id)).results] == ["ann"]
    assert await entries(tenant, "ann") == await entries(tenant, "anon_a") == earlier
    # Another id that stands for them has been in as long.
    await link(database, tenant, {"anon_a": "bob", "ann": "bob"})
    await tenant.compute(segment.id)
    assert [member.user_id for member in (await tenant.members(segment.id)).results] == ["bob"]
    assert await entries(tenant, "bob") == await entries(tenant, "anon_a") == earlier


async def test_a_person_is_in_a_segment_that_one_of_their_ids_is_in(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["anon_a", "ann", "bob"])
    await bring_in(warehouse, tenant.id, "bought", ["anon_a"])
    buyers = await tenant.create(definition=at_least("bought"))
    await tenant.compute(buyers.id)
    await link(database, tenant, {"anon_a": "ann"})
    assert await matching(tenant, member_of(buyers.id)) == ["ann"]
    assert await matching(tenant, member_of(buyers.id, "not_in")) == ["bob"]
    assert kinds(await tenant.diff(buyers.id)) == (0, 0, 1)
    assert kinds(await tenant.diff(buyers.id, definition=at_least("seen"))) == (1, 0, 1)
    estimate: pb.SegmentEstimate = await tenant.call("EstimateSegment", pb.EstimateSegmentRequest(id=buyers.id))
    assert (estimate.estimated_users, estimate.total_users) == (1, 2)
    await tenant.compute(buyers.id)
    assert await matching(tenant, member_of(buyers.id)) == ["ann"]


async def test_links_of_many_chunks_are_mirrored_whole_by_all_who_need_them_at_once(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    many = 30_000
    await bring_in(warehouse, tenant.id, "seen", [f"anon_{number}" for number in range(many // 20)])
    async with database.tenant(tenant.id) as connection:
        # Long ids, so that they fill three chunks.
        statement = text("""
            INSERT INTO user_links (tenant_id, user_id, linked_to, person_id)
            SELECT :tenant_id, 'anon_' || number, person, person
            FROM generate_series(0, :last) AS number, rpad('user_' || number / 2, 256, 'x') AS person""")
        await connection.execute(statement, {"tenant_id": tenant.id, "last": many - 1})
        # Whoever mirrored them first came this far.
        first = text("SELECT user_id, person_id, version FROM user_links ORDER BY version LIMIT 1000")
        lines = ["\t".join(map(str, row)) for row in await connection.execute(first)]
    await append_text(warehouse, tenant.id, "".join(f"{line}\n" for line in lines).encode())
    answers = await asyncio.gather(*(tenant.preview(at_least("seen", 2)) for _ in range(3)))
    assert {answer.matched_users for answer in answers} == {many // 40}

"""Walking through the members of a segment."""

from collections.abc import Callable
from contextlib import aclosing

import pytest
from sqlalchemy import text

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Invalid, NotFound
from services.kit.postgres import Database
from tests.integration.segments.calling import Tenant, at_least, until
from tests.integration.segments.events import bring_in
from tests.integration.warehouse.processes import Warehouse

MANY = 50_000


async def test_a_walk_meets_every_member_once_in_order(tenant: Tenant, warehouse: Warehouse) -> None:
    users = [f"user-{number:04}" for number in range(1000)]
    await bring_in(warehouse, tenant.id, "seen", users)
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    assert await tenant.walk(segment.id, 300) == users
    assert await tenant.walk(segment.id, 500) == users
    assert await tenant.walk(segment.id, 10_000) == users
    assert len((await tenant.members(segment.id)).results) == 100


async def test_a_walk_over_recomputes_meets_everyone_who_stays_once(tenant: Tenant, warehouse: Warehouse) -> None:
    users = [f"user-{number:03}" for number in range(400)]
    stay = users[::2]
    # The others come and go: at each page another half of them is in.
    for event_type, others in (("odd", users[1::4]), ("even", users[3::4])):
        await bring_in(warehouse, tenant.id, event_type, stay + others)
    segment = await tenant.create(definition=at_least("odd"))
    walked, cursor, turns = [], "", 0
    while True:
        await tenant.update(segment.id, definition=at_least("even" if turns % 2 else "odd"))
        assert (await tenant.compute(segment.id)).member_count == 300
        page = await tenant.members(segment.id, limit=60, cursor=cursor)
        walked += [member.user_id for member in page.results]
        cursor, turns = page.next_cursor.string_value, turns + 1
        if not cursor:
            break
    assert turns == 5
    assert walked == sorted(set(walked))
    assert set(stay) <= set(walked)


async def test_a_member_is_in_since_the_last_entry(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await tenant.create(definition=at_least("seen"))

    async def entered() -> list[str]:
        return [member.entered_at.ToJsonString() for member in (await tenant.members(segment.id)).results]

    async def computed_later() -> str | None:
        """When a compute was that came in another second than the first."""
        at = (await tenant.compute(segment.id)).last_computed_at.string_value
        return at if at != first else None

    first = (await tenant.compute(segment.id)).last_computed_at.string_value
    assert await entered() == [first]
    await until(computed_later)
    assert await entered() == [first]
    await tenant.update(segment.id, definition=at_least("seen", 2))
    await tenant.compute(segment.id)
    assert await entered() == []
    await tenant.update(segment.id, definition=at_least("seen"))
    again = (await tenant.compute(segment.id)).last_computed_at.string_value
    assert await entered() == [again] != [first]


async def test_a_segment_never_computed_has_no_members(tenant: Tenant) -> None:
    segment = await tenant.create()
    page = await tenant.members(segment.id)
    assert (list(page.results), page.count, page.next_cursor.WhichOneof("kind")) == ([], 0, "null_value")


@pytest.mark.parametrize("limit", [0, -1, 10_001])
async def test_a_wrong_limit_and_a_forged_cursor_are_answered_at_once(tenant: Tenant, limit: int) -> None:
    segment = await tenant.create()
    with pytest.raises(Invalid) as raised:
        await tenant.members(segment.id, limit=limit, cursor="forged")
    assert raised.value.fields.keys() == {"limit", "cursor"}


async def test_a_stream_has_every_member_in_order_with_times(tenant: Tenant, warehouse: Warehouse) -> None:
    users = [f"user-{number:04}" for number in range(2500)]
    await bring_in(warehouse, tenant.id, "seen", users)
    segment = await tenant.create(definition=at_least("seen"))
    computed_at = (await tenant.compute(segment.id)).last_computed_at.string_value
    chunks = await streamed(tenant, segment.id)
    assert [len(chunk.members) for chunk in chunks] == [1000, 1000, 500]
    members = [member for chunk in chunks for member in chunk.members]
    assert [member.user_id for member in members] == users
    assert {(member.computed_at.ToJsonString(), member.entered_at.ToJsonString()) for member in members} == {
        (computed_at, computed_at)
    }


async def test_a_stream_of_an_empty_segment_ends_without_a_chunk(tenant: Tenant) -> None:
    assert await streamed(tenant, (await tenant.create()).id) == []


async def test_a_stream_of_a_segment_that_is_not_there_is_not_found(
    tenant: Tenant, new_tenant: Callable[[], Tenant]
) -> None:
    segment = await tenant.create()
    for caller, segment_id in ((tenant, 2**31 - 1), (new_tenant(), segment.id)):
        with pytest.raises(NotFound):
            await streamed(caller, segment_id)


async def test_a_stream_shows_one_moment_and_waits_for_its_caller(tenant: Tenant, database: Database) -> None:
    segment = await tenant.create(definition=at_least("never seen"))
    await fill(database, tenant, segment.id)
    async with aclosing(tenant.stream("StreamMembers", pb.StreamMembersRequest(id=segment.id))) as chunks:
        seen = len((await anext(chunks)).members)
        assert (await tenant.compute(segment.id)).member_count == 0
        # The service keeps its place until the caller takes the rest.
        await until(lambda: is_open(database, 1), 5)
        async for chunk in chunks:
            seen += len(chunk.members)
    assert seen == MANY
    assert await streamed(tenant, segment.id) == []


async def test_a_stream_ends_when_its_caller_leaves(tenant: Tenant, database: Database) -> None:
    segment = await tenant.create()
    await fill(database, tenant, segment.id)
    # More callers than the service has connections for streams: each leaves its own behind.
    for _ in range(12):
        async with aclosing(tenant.stream("StreamMembers", pb.StreamMembersRequest(id=segment.id))) as chunks:
            await anext(chunks)
    await until(lambda: is_open(database, 0), 5)


async def streamed(tenant: Tenant, segment_id: int) -> list[pb.MemberChunk]:
    request = pb.StreamMembersRequest(id=segment_id)
    return [chunk async for chunk in tenant.stream("StreamMembers", request)]


async def fill(database: Database, tenant: Tenant, segment_id: int) -> None:
    """Makes many users with long ids members: more than the network takes in while nobody reads."""
    async with database.tenant(tenant.id) as connection:
        await connection.execute(
            text("""
                INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
                SELECT :tenant_id, rpad(number::text, 256, 'x'), :segment_id, now()
                FROM generate_series(1, :many) number"""),
            {"tenant_id": tenant.id, "segment_id": segment_id, "many": MANY},
        )


async def is_open(database: Database, streams: int) -> bool:
    """Whether so many transactions have members open to read. The server's own work on the table is none."""
    async with database.system() as connection:
        statement = text("""
            SELECT count(DISTINCT coalesce(leader_pid, pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE relation = 'memberships'::regclass AND mode = 'AccessShareLock'""")
        return int((await connection.execute(statement)).scalar_one()) == streams

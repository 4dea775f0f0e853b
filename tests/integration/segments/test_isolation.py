"""One tenant never meets another's segments, not even through a query that forgets the tenant."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Invalid, NotFound
from services.kit.postgres import Database
from services.segments import store
from tests.integration.segments.calling import Tenant, at_least
from tests.integration.segments.events import bring_in
from tests.integration.warehouse.processes import Warehouse


@pytest.fixture
async def two(new_tenant: Callable[[], Tenant], warehouse: Warehouse) -> tuple[Tenant, Tenant, int]:
    """An owner, a stranger, and a computed segment of the owner's. Both know the user `u`."""
    owner, stranger = new_tenant(), new_tenant()
    for tenant in (owner, stranger):
        await bring_in(warehouse, tenant.id, "seen", ["u"])
    segment = await owner.create("secret", definition=at_least("seen"))
    assert (await owner.compute(segment.id)).member_count == 1
    return owner, stranger, segment.id


async def test_a_strangers_segment_does_not_exist(two: tuple[Tenant, Tenant, int]) -> None:
    owner, stranger, segment_id = two
    before = await owner.get(segment_id)
    for attempt in (
        stranger.get(segment_id),
        stranger.update(segment_id, name="mine"),
        stranger.replace(segment_id, name="mine"),
        stranger.delete(segment_id),
        stranger.queue(segment_id),
        stranger.members(segment_id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await stranger.membership("u") == []
    assert await stranger.membership("u", segment_id=segment_id) == []
    assert (await stranger.call("ListSegments", pb.ListSegmentsRequest())).count == 0
    assert await owner.get(segment_id) == before
    assert await owner.membership("u") == [segment_id]


async def test_a_strangers_cursor_is_forged(two: tuple[Tenant, Tenant, int], warehouse: Warehouse) -> None:
    owner, stranger, segment_id = two
    await bring_in(warehouse, owner.id, "seen", ["v"])
    await owner.compute(segment_id)
    cursor = (await owner.members(segment_id, limit=1)).next_cursor.string_value
    own = await stranger.create()
    for attempt in (stranger.members(own.id, cursor=cursor), owner.members((await owner.create()).id, cursor=cursor)):
        with pytest.raises(Invalid) as raised:
            await attempt
        assert raised.value.fields.keys() == {"cursor"}


async def test_a_query_that_forgets_the_tenant_sees_its_own_rows_only(
    two: tuple[Tenant, Tenant, int], database: Database
) -> None:
    owner, stranger, segment_id = two
    for tables in ("segments", "segment_versions", "memberships", "segment_runs", "membership_changes"):
        async with database.tenant(stranger.id) as connection:
            assert (await connection.execute(text(f"SELECT count(*) FROM {tables}"))).scalar_one() == 0
        async with database.tenant(owner.id) as connection:
            assert (await connection.execute(text(f"SELECT count(*) FROM {tables}"))).scalar_one() == 1
        async with database.system() as connection:
            assert (await connection.execute(text(f"SELECT count(*) FROM {tables}"))).scalar_one() == 0
    async with database.tenant(stranger.id) as connection:
        assert await store.find_segment(connection, segment_id) is None
        assert await store.lock_segment(connection, segment_id) is None
        assert await store.list_segments(connection, "", limit=10, offset=0) == []
        assert await store.list_members(connection, segment_id, after="", limit=10) == []
        assert not await store.claim_segment(connection, segment_id)
        for statement in ("DELETE FROM memberships", "UPDATE segments SET name = 'mine'", "DELETE FROM segments"):
            assert (await connection.execute(text(statement))).rowcount == 0
    assert await owner.membership("u") == [segment_id]


async def test_rows_cannot_be_written_into_another_tenant(two: tuple[Tenant, Tenant, int], database: Database) -> None:
    owner, stranger, segment_id = two
    for statement in (
        f"INSERT INTO segments (tenant_id, name) VALUES ({owner.id}, 'n')",
        f"INSERT INTO memberships VALUES ({owner.id}, 'x', {segment_id}, now())",
    ):
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with database.tenant(stranger.id) as connection:
                await connection.execute(text(statement))

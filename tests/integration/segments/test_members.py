"""Walking through the members of a segment."""

import pytest

from services.kit.errors import Invalid
from tests.integration.segments.calling import Tenant, at_least
from tests.integration.segments.events import bring_in
from tests.integration.warehouse.processes import Warehouse


async def test_a_walk_meets_every_member_once_in_order(tenant: Tenant, warehouse: Warehouse) -> None:
    users = [f"user-{number:04}" for number in range(1000)]
    await bring_in(warehouse, tenant.id, "seen", users)
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    assert await tenant.walk(segment.id, 300) == users
    assert await tenant.walk(segment.id, 500) == users
    assert await tenant.walk(segment.id, 10_000) == users
    assert len((await tenant.members(segment.id)).results) == 100


async def test_a_walk_over_a_recompute_meets_everyone_who_stays_once(tenant: Tenant, warehouse: Warehouse) -> None:
    stay = [f"user-{number:04}" for number in range(0, 1000, 2)]
    leave = [f"user-{number:04}" for number in range(1, 1000, 2)]
    await bring_in(warehouse, tenant.id, "seen", stay + leave)
    await bring_in(warehouse, tenant.id, "seen", stay)
    segment = await tenant.create(definition=at_least("seen"))
    await tenant.compute(segment.id)
    first = await tenant.members(segment.id, limit=301)
    enter = [f"user-{number:04}-new" for number in range(0, 1000, 10)]
    for _ in range(2):
        await bring_in(warehouse, tenant.id, "seen", enter)
    await tenant.update(segment.id, definition=at_least("seen", 2))
    await tenant.compute(segment.id)
    walked, cursor = [member.user_id for member in first.results], first.next_cursor.string_value
    while cursor:
        page = await tenant.members(segment.id, limit=77, cursor=cursor)
        walked += [member.user_id for member in page.results]
        cursor = page.next_cursor.string_value
    assert walked == sorted(set(walked))
    assert set(stay) <= set(walked)
    assert set(walked[301:]) <= {*stay, *enter}


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

"""Reading a segment's ledger page by page."""

from collections.abc import Callable

import pytest

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Invalid, NotFound
from tests.integration.segments.calling import Tenant, at_least
from tests.integration.segments.events import bring_in
from tests.integration.warehouse.processes import Warehouse

Change = tuple[str, str, int]


@pytest.fixture
async def segment_id(tenant: Tenant, warehouse: Warehouse) -> int:
    """A segment with three computes: `a` to `e` enter; nothing changes; `a`, `b` leave and `f` enters."""
    await bring_in(warehouse, tenant.id, "one", "abcde")
    await bring_in(warehouse, tenant.id, "two", "cdef")
    segment = await tenant.create(definition=at_least("one"))
    for event_type in ("one", "one", "two"):
        await tenant.update(segment.id, definition=at_least(event_type))
        await tenant.compute(segment.id)
    return segment.id


LEDGER = [
    *(("entered", user_id, 1) for user_id in "abcde"),
    ("exited", "a", 2),
    ("exited", "b", 2),
    ("entered", "f", 2),
]


def told(page: pb.ChangePage) -> list[Change]:
    return [(change.change, change.user_id, change.version) for change in page.results]


async def walk(tenant: Tenant, segment_id: int, limit: int, **fields: str) -> list[Change]:
    found: list[Change] = []
    cursor = ""
    while True:
        page = await tenant.changes(segment_id, limit=limit, cursor=cursor, **fields)
        assert len(page.results) <= limit
        found += told(page)
        cursor = page.next_cursor.string_value
        if not cursor:
            return found


async def test_a_walk_meets_every_change_once_in_the_ledgers_order(tenant: Tenant, segment_id: int) -> None:
    whole = await tenant.changes(segment_id)
    assert (told(whole), whole.count, whole.next_cursor.WhichOneof("kind")) == (LEDGER, 8, "null_value")
    assert {change.cause for change in whole.results} == {"requested"}
    for limit in range(1, 10):
        assert await walk(tenant, segment_id, limit) == LEDGER


async def test_since_leaves_out_what_was_computed_up_to_it(tenant: Tenant, segment_id: int) -> None:
    times = [change.changed_at.ToJsonString() for change in (await tenant.changes(segment_id)).results]
    for since, changes in (("", LEDGER), (times[0], LEDGER[5:]), (times[-1], [])):
        page = await tenant.changes(segment_id, since=since)
        assert (told(page), page.count) == (changes, len(changes))
        assert await walk(tenant, segment_id, 2, since=since) == changes
    assert told(await tenant.changes(segment_id, since="0001-01-01T00:00:00Z")) == LEDGER
    assert told(await tenant.changes(segment_id, since="9999-12-31T23:59:59Z")) == []


async def test_a_cursor_goes_on_from_its_place_whatever_since_says(tenant: Tenant, segment_id: int) -> None:
    whole = await tenant.changes(segment_id)
    cursor = (await tenant.changes(segment_id, limit=6)).next_cursor.string_value
    assert told(await tenant.changes(segment_id, cursor=cursor)) == LEDGER[6:]
    first = whole.results[0].changed_at.ToJsonString()
    assert told(await tenant.changes(segment_id, cursor=cursor, since=first)) == LEDGER[6:]
    early = (await tenant.changes(segment_id, limit=2)).next_cursor.string_value
    assert told(await tenant.changes(segment_id, cursor=early, since=first)) == LEDGER[5:]


async def test_computes_during_a_walk_follow_at_its_end(tenant: Tenant, segment_id: int) -> None:
    first = await tenant.changes(segment_id, limit=3)
    await tenant.update(segment_id, definition=at_least("one"))
    await tenant.compute(segment_id)
    rest = await tenant.changes(segment_id, cursor=first.next_cursor.string_value)
    added = [("entered", "a", 3), ("entered", "b", 3), ("exited", "f", 3)]
    assert (told(first) + told(rest), rest.count) == (LEDGER + added, 11)


async def test_a_segment_never_computed_has_no_changes(tenant: Tenant) -> None:
    page = await tenant.changes((await tenant.create()).id)
    assert (list(page.results), page.count, page.next_cursor.WhichOneof("kind")) == ([], 0, "null_value")


@pytest.mark.parametrize("limit", [0, -1, 10_001])
async def test_every_wrong_field_is_answered_at_once(tenant: Tenant, limit: int) -> None:
    segment = await tenant.create()
    with pytest.raises(Invalid) as raised:
        await tenant.changes(segment.id, limit=limit, cursor="forged", since="yesterday")
    assert raised.value.fields.keys() == {"limit", "cursor", "since"}


async def test_a_cursor_is_good_for_its_own_list_only(
    tenant: Tenant, new_tenant: Callable[[], Tenant], segment_id: int
) -> None:
    of_changes = (await tenant.changes(segment_id, limit=1)).next_cursor.string_value
    of_members = (await tenant.members(segment_id, limit=1)).next_cursor.string_value
    stranger = new_tenant()
    for attempt in (
        tenant.changes(segment_id, cursor=of_members),
        tenant.members(segment_id, cursor=of_changes),
        tenant.changes((await tenant.create()).id, cursor=of_changes),
        stranger.changes((await stranger.create()).id, cursor=of_changes),
    ):
        with pytest.raises(Invalid) as raised:
            await attempt
        assert raised.value.fields.keys() == {"cursor"}


async def test_an_unknown_or_a_strangers_segment_is_not_found(
    tenant: Tenant, new_tenant: Callable[[], Tenant], segment_id: int
) -> None:
    for attempt in (tenant.changes(2**31 - 1), new_tenant().changes(segment_id)):
        with pytest.raises(NotFound):
            await attempt

"""Creating, reading, changing and deleting segments."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from sqlalchemy import text

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Forbidden, Invalid, NotFound
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.kit.wire import nullable, plain
from tests.integration.segments.calling import Tenant, at_least

BUYERS = at_least("order_placed", 2)
VISITORS = at_least("page_viewed")


async def versions(database: Database, tenant: Tenant, segment_id: int) -> list[tuple[int, object, str]]:
    async with database.tenant(tenant.id) as connection:
        statement = (
            "SELECT version, definition, created_by FROM segment_versions WHERE segment_id = :id ORDER BY version"
        )
        return [tuple(row) for row in await connection.execute(text(statement), {"id": segment_id})]


async def test_a_new_segment_has_the_defaults_and_is_a_draft(tenant: Tenant) -> None:
    segment = await tenant.create("Käufer 🛒")
    assert segment == await tenant.get(segment.id)
    assert (segment.name, segment.tenant, segment.segment_type, segment.description) == (
        "Käufer 🛒",
        tenant.id,
        "rule",
        "",
    )
    assert (segment.status, segment.is_active, segment.member_count, segment.version) == ("draft", True, 0, 0)
    for value in (segment.definition, segment.last_computed_at, segment.last_error, segment.refresh_minutes):
        assert value == nullable(None)
    assert segment.created_at == segment.updated_at
    assert segment.created_at.nanos == 0


async def test_every_field_is_stored(tenant: Tenant) -> None:
    segment = await tenant.create(
        "n",
        tenant=tenant.id,
        segment_type="ai",
        description="a\nb",
        definition=BUYERS,
        is_active=False,
        refresh_minutes=5,
    )
    assert segment == await tenant.get(segment.id)
    assert (segment.segment_type, segment.description, segment.is_active) == ("ai", "a\nb", False)
    assert (plain(segment.definition), segment.refresh_minutes.number_value, segment.version) == (BUYERS, 5, 1)


async def test_whole_numbers_are_stored_as_integers(tenant: Tenant, database: Database) -> None:
    segment = await tenant.create(definition=BUYERS)
    [(version, definition, created_by)] = await versions(database, tenant, segment.id)
    assert (version, repr(definition["conditions"][0]["value"]), created_by) == (1, "2", "user:7")  # type: ignore[index]


async def test_every_wrong_field_is_answered_at_once(tenant: Tenant) -> None:
    wrong: dict[str, Any] = {
        "name": "a\0b",
        "tenant": tenant.id + 1,
        "segment_type": "x",
        "description": "\0",
        "definition": {"logic": "AND", "conditions": [{"type": "foo"}]},
        "refresh_minutes": 1,
    }
    segment = await tenant.create()
    for attempt in (tenant.create(**wrong), tenant.update(segment.id, **wrong), tenant.replace(segment.id, **wrong)):
        with pytest.raises(Invalid) as raised:
            await attempt
        assert raised.value.fields.keys() == wrong.keys()
    assert await tenant.get(segment.id) == segment


async def test_a_change_keeps_what_is_not_sent(tenant: Tenant) -> None:
    segment = await tenant.create("n", description="d", definition=BUYERS, refresh_minutes=30)
    changed = await tenant.update(segment.id, name="m")
    assert (changed.name, changed.description, changed.refresh_minutes.number_value) == ("m", "d", 30)
    assert (plain(changed.definition), changed.version) == (BUYERS, 1)


async def test_null_takes_a_definition_and_a_schedule_away(tenant: Tenant, database: Database) -> None:
    segment = await tenant.create(definition=BUYERS, refresh_minutes=30)
    changed = await tenant.update(segment.id, definition=None, refresh_minutes=None)
    assert (plain(changed.definition), plain(changed.refresh_minutes), changed.version) == (None, None, 2)
    assert [row[:2] for row in await versions(database, tenant, segment.id)] == [(1, BUYERS), (2, None)]


async def test_a_replacement_resets_what_is_not_sent(tenant: Tenant) -> None:
    segment = await tenant.create("n", description="d", definition=BUYERS, is_active=False, refresh_minutes=30)
    replaced = await tenant.replace(segment.id, name="m")
    assert (replaced.name, replaced.description, replaced.is_active, replaced.version) == ("m", "", True, 2)
    assert (plain(replaced.definition), plain(replaced.refresh_minutes)) == (None, None)


async def test_only_a_changed_definition_makes_a_version(tenant: Tenant, database: Database) -> None:
    segment = await tenant.create(definition=BUYERS)
    assert (await tenant.update(segment.id, definition=dict(reversed(BUYERS.items())))).version == 1
    changed = await tenant.update(segment.id, definition=VISITORS)
    assert (changed.version, changed.status) == (2, "draft")
    assert [row[:2] for row in await versions(database, tenant, segment.id)] == [(1, BUYERS), (2, VISITORS)]


async def test_versions_are_listed_newest_first_in_pages(tenant: Tenant) -> None:
    segment = await tenant.create(definition=BUYERS)
    await tenant.update(segment.id, definition=VISITORS)
    await tenant.replace(segment.id, name="m")

    async def listed(**fields: int) -> tuple[int, list[tuple[int, object]]]:
        request = pb.ListVersionsRequest(id=segment.id, **fields)
        page: pb.SegmentVersionPage = await tenant.call("ListVersions", request)
        for version in page.results:
            assert (version.created_by, version.created_at.nanos) == ("user:7", 0)
            assert version.created_at.seconds >= segment.created_at.seconds
        return page.count, [(version.version, plain(version.definition)) for version in page.results]

    assert await listed() == (3, [(3, None), (2, VISITORS), (1, BUYERS)])
    assert await listed(limit=1, offset=1) == (3, [(2, VISITORS)])
    assert await listed(page=2, page_size=2) == (3, [(1, BUYERS)])


async def test_versions_of_an_unknown_segment_are_not_found(tenant: Tenant, new_tenant: Callable[[], Tenant]) -> None:
    strangers = await new_tenant().create(definition=BUYERS)
    for segment_id in (strangers.id, 0, 2**31 - 1):
        with pytest.raises(NotFound):
            await tenant.call("ListVersions", pb.ListVersionsRequest(id=segment_id))


async def test_true_is_another_value_than_one(tenant: Tenant) -> None:
    def equals(value: object) -> dict[str, object]:
        return {
            "logic": "AND",
            "conditions": [{"type": "user_property", "property": "p", "operator": "eq", "value": value}],
        }

    segment = await tenant.create(definition=equals(1))
    assert (await tenant.update(segment.id, definition=equals(True))).version == 2


async def test_a_deleted_segment_is_gone(tenant: Tenant) -> None:
    segment = await tenant.create(definition=BUYERS)
    await tenant.delete(segment.id)
    for attempt in (tenant.get(segment.id), tenant.delete(segment.id), tenant.update(segment.id, name="m")):
        with pytest.raises(NotFound):
            await attempt


@pytest.mark.parametrize("segment_id", [0, -1, 2**31 - 1, -(2**31)])
async def test_an_unknown_id_is_not_found(tenant: Tenant, segment_id: int) -> None:
    for attempt in (
        tenant.get(segment_id),
        tenant.update(segment_id, name="m"),
        tenant.replace(segment_id, name="m"),
        tenant.delete(segment_id),
        tenant.queue(segment_id),
        tenant.members(segment_id),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_segments_are_listed_by_id_in_pages(tenant: Tenant) -> None:
    ids = [(await tenant.create(f"n{number}")).id for number in range(5)]
    page = await tenant.call("ListSegments", pb.ListSegmentsRequest(limit=2, offset=2))
    assert (page.count, [segment.id for segment in page.results]) == (5, ids[2:4])
    page = await tenant.call("ListSegments", pb.ListSegmentsRequest(page=3, page_size=2))
    assert [segment.id for segment in page.results] == ids[4:]


async def test_search_looks_into_names_whatever_the_case(tenant: Tenant) -> None:
    names = ("VIP Käufer", "vip 100 %", "Lost_users", "lost users")
    for name in names:
        await tenant.create(name)

    async def found(search: str) -> list[str]:
        page = await tenant.call("ListSegments", pb.ListSegmentsRequest(search=search))
        assert page.count == len(page.results)
        return [segment.name for segment in page.results]

    assert await found("vIp") == ["VIP Käufer", "vip 100 %"]
    assert await found("KÄUFER") == ["VIP Käufer"]
    assert await found("0 %") == ["vip 100 %"]
    assert await found("lost_") == ["Lost_users"]
    assert await found("nothing") == []
    assert await found("") == list(names)


async def test_a_wrong_search_and_a_wrong_page_are_answered_at_once(tenant: Tenant) -> None:
    with pytest.raises(Invalid) as raised:
        await tenant.call("ListSegments", pb.ListSegmentsRequest(search="\0", limit=0, offset=-1))
    assert raised.value.fields.keys() == {"search", "limit", "offset"}


async def test_a_viewer_reads_and_cannot_write(tenant: Tenant, settings: Settings, channel: grpc.aio.Channel) -> None:
    segment = await tenant.create(definition=BUYERS)
    viewer = Tenant(settings, channel, tenant.id, role="viewer")
    assert await viewer.get(segment.id) == segment
    for attempt in (
        viewer.create(),
        viewer.update(segment.id, name="m"),
        viewer.delete(segment.id),
        viewer.queue(segment.id),
    ):
        with pytest.raises(Forbidden):
            await attempt

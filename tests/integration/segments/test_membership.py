"""Which segments a user is in."""

import asyncio
from collections.abc import Callable

import pytest

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Invalid
from tests.integration.segments.calling import Tenant, at_least
from tests.integration.segments.events import bring_in
from tests.integration.warehouse.processes import Warehouse


async def test_a_user_is_answered_with_names_and_times_by_segment_id(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = [await tenant.create(name, definition=at_least("seen")) for name in ("B", "A")]
    for segment in reversed(segments):
        await tenant.compute(segment.id)
    answer: pb.Membership = await tenant.call("GetMembership", pb.GetMembershipRequest(user_id="u"))
    assert answer.user_id == "u"
    assert [(entry.segment_id, entry.segment_name) for entry in answer.segments] == [
        (segment.id, segment.name) for segment in segments
    ]
    entered = [entry.entered_at for entry in answer.segments]
    recomputed = await tenant.compute(segments[0].id)
    await tenant.update(segments[1].id, name="C")
    answer = await tenant.call("GetMembership", pb.GetMembershipRequest(user_id="u"))
    assert [entry.entered_at for entry in answer.segments] == entered
    assert answer.segments[0].computed_at.ToJsonString() == recomputed.last_computed_at.string_value
    assert answer.segments[1].segment_name == "C"


async def test_a_segment_id_narrows_the_answer(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    first, second = [await tenant.create(definition=at_least("seen")) for _ in range(2)]
    for segment in (first, second):
        await tenant.compute(segment.id)
    assert await tenant.membership("u", segment_id=second.id) == [second.id]
    assert await tenant.membership("u", segment_id=0) == []
    assert await tenant.membership("u", segment_id=2**31 - 1) == []
    assert await tenant.membership("nobody", segment_id=first.id) == []


async def test_an_unknown_user_is_in_no_segment(tenant: Tenant) -> None:
    assert await tenant.membership("nobody") == []


@pytest.mark.parametrize("user_id", ["", "x" * 257, "a\0b"])
async def test_a_wrong_user_id_is_a_field_error(tenant: Tenant, user_id: str) -> None:
    with pytest.raises(Invalid) as raised:
        await tenant.membership(user_id)
    assert raised.value.fields.keys() == {"user_id"}


async def test_many_lookups_at_once_get_their_own_answers(tenant: Tenant, warehouse: Warehouse) -> None:
    even = [f"u{number}" for number in range(0, 200, 2)]
    await bring_in(warehouse, tenant.id, "all", [f"u{number}" for number in range(200)])
    await bring_in(warehouse, tenant.id, "even", even)
    everyone = await tenant.create(definition=at_least("all"))
    half = await tenant.create(definition=at_least("even"))
    for segment in (everyone, half):
        await tenant.compute(segment.id)
    numbers = [number % 210 for number in range(630)]
    answers = await asyncio.gather(*(tenant.membership(f"u{number}") for number in numbers))
    expected = [
        [] if number >= 200 else [everyone.id, half.id] if number % 2 == 0 else [everyone.id] for number in numbers
    ]
    assert answers == expected


async def test_many_users_are_answered_in_the_order_asked(tenant: Tenant, warehouse: Warehouse) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["a", "b", "c"])
    await bring_in(warehouse, tenant.id, "left", ["b"])
    seen, left = [await tenant.create(name, definition=at_least(name)) for name in ("seen", "left")]
    for segment in (left, seen):
        await tenant.compute(segment.id)
    results = await batch(tenant, ["c", "nobody", "b", "c", "Ä" * 256])
    assert [(result.user_id, [entry.segment_id for entry in result.segments]) for result in results] == [
        ("c", [seen.id]),
        ("nobody", []),
        ("b", [seen.id, left.id]),
        ("c", [seen.id]),
        ("Ä" * 256, []),
    ]
    alone: pb.Membership = await tenant.call("GetMembership", pb.GetMembershipRequest(user_id="b"))
    assert results[2] == alone
    many = [f"u{number}" for number in range(499)]
    assert [result.user_id for result in await batch(tenant, [*many, "b"]) if result.segments] == ["b"]


async def test_another_tenants_memberships_are_not_answered(
    tenant: Tenant, new_tenant: Callable[[], Tenant], warehouse: Warehouse
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["a"])
    await tenant.compute((await tenant.create(definition=at_least("seen"))).id)
    assert [list(result.segments) for result in await batch(new_tenant(), ["a"])] == [[]]


@pytest.mark.parametrize("user_ids", [[], ["u"] * 501])
async def test_a_batch_is_of_1_to_500_users(tenant: Tenant, user_ids: list[str]) -> None:
    with pytest.raises(Invalid) as raised:
        await batch(tenant, user_ids)
    assert raised.value.fields == {"user_ids": [f"must hold 1 to 500 user ids, not {len(user_ids)}"]}


async def test_every_wrong_user_id_of_a_batch_is_named_by_its_place(tenant: Tenant) -> None:
    with pytest.raises(Invalid) as raised:
        await batch(tenant, ["ok", "", "x" * 257, "x" * 256, "a\nb"])
    (texts,) = raised.value.fields.values()
    assert [text.split(":")[0] for text in texts] == ["[1]", "[2]", "[4]"]


async def test_the_list_for_profiles_has_sizes_and_is_by_name(
    tenant: Tenant, new_tenant: Callable[[], Tenant], warehouse: Warehouse
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u", "v"])
    for name in ("B", "A", "A"):
        await tenant.compute((await tenant.create(name, definition=at_least("seen"))).id)
    request = pb.ListUserSegmentsRequest(user_id="u")
    found = (await tenant.call("ListUserSegments", request)).segments
    assert [(entry.segment_name, entry.member_count) for entry in found] == [("A", 2), ("A", 2), ("B", 2)]
    assert found[0].segment_id < found[1].segment_id
    assert all(entry.computed_at.seconds for entry in found)
    assert not (await tenant.call("ListUserSegments", pb.ListUserSegmentsRequest(user_id="nobody"))).segments
    assert not (await new_tenant().call("ListUserSegments", request)).segments


async def batch(tenant: Tenant, user_ids: list[str]) -> list[pb.Membership]:
    answer: pb.MembershipBatch = await tenant.call(
        "BatchGetMembership", pb.BatchGetMembershipRequest(user_ids=user_ids)
    )
    return list(answer.results)

"""Definitions that refer to segments: which are refused, and what that means for deleting."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.kit.errors import Conflict, Invalid, NotFound
from services.kit.postgres import Database
from tests.integration.segments.calling import Tenant, at_least, member_of
from tests.integration.segments.ledger import rows


def both(*segment_ids: int) -> dict[str, object]:
    """The definition: members of all these segments."""
    return {"logic": "AND", "conditions": [member_of(segment_id) for segment_id in segment_ids]}


async def stored(database: Database, tenant: Tenant) -> list[tuple[int, int]]:
    statement = "SELECT segment_id, referenced_id FROM segment_references ORDER BY 1, 2"
    return [(row.segment_id, row.referenced_id) for row in await rows(database, tenant, statement)]


async def test_references_are_those_of_the_current_definition(tenant: Tenant, database: Database) -> None:
    a, b = [(await tenant.create()).id for _ in range(2)]
    c = (await tenant.create(definition=both(a, b, a))).id
    assert await stored(database, tenant) == [(c, a), (c, b)]
    await tenant.update(c, name="renamed")
    assert await stored(database, tenant) == [(c, a), (c, b)]
    await tenant.update(c, definition=member_of(b))
    assert await stored(database, tenant) == [(c, b)]
    await tenant.update(c, definition=None)
    assert await stored(database, tenant) == []
    await tenant.update(c, definition=member_of(a))
    await tenant.replace(c, name="replaced")
    assert await stored(database, tenant) == []


async def test_an_unknown_segment_is_reported_with_all_other_wrong_fields(
    tenant: Tenant, new_tenant: Callable[[], Tenant]
) -> None:
    segment = await tenant.create()
    strangers = await new_tenant().create()
    wrong: dict[str, Any] = {"name": "a\0b", "refresh_minutes": 1, "definition": both(segment.id, strangers.id)}
    for attempt in (tenant.create(**wrong), tenant.replace((await tenant.create()).id, **wrong)):
        with pytest.raises(Invalid) as raised:
            await attempt
        assert raised.value.fields.keys() == wrong.keys()
        assert raised.value.fields["definition"] == [
            f"conditions[1].conditions[0].segment_id: there is no segment {strangers.id}"
        ]


async def test_a_cycle_is_refused_and_named(tenant: Tenant, database: Database) -> None:
    a = (await tenant.create()).id
    b = (await tenant.create(definition=member_of(a))).id
    c = (await tenant.create(definition=member_of(b, "not_in"))).id
    before = await stored(database, tenant)
    for target, cycle in ((a, f"{a} -> {a}"), (b, f"{a} -> {b} -> {a}"), (c, f"{a} -> {c} -> {b} -> {a}")):
        for attempt in (
            tenant.update(a, definition=member_of(target)),
            tenant.replace(a, name="n", definition=member_of(target)),
            tenant.diff(a, definition=member_of(target)),
        ):
            with pytest.raises(Invalid) as raised:
                await attempt
            text = f"conditions[0].segment_id: a segment cannot depend on itself: {cycle}"
            assert raised.value.fields == {"definition": [text]}
    assert await stored(database, tenant) == before
    assert (await tenant.get(a)).version == 0


async def test_saves_at_the_same_time_do_not_close_a_cycle_together(tenant: Tenant) -> None:
    for _ in range(10):
        ring = [(await tenant.create()).id for _ in range(3)]
        saves = [
            tenant.update(segment_id, definition=member_of(following))
            for segment_id, following in zip(ring, [*ring[1:], ring[0]], strict=True)
        ]
        outcomes = await asyncio.gather(*saves, return_exceptions=True)
        assert sum(isinstance(outcome, Invalid) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_a_segment_that_others_refer_to_is_not_deleted(tenant: Tenant) -> None:
    base = (await tenant.create("base", definition=at_least("seen"))).id
    users = [(await tenant.create(f"user {number}", definition=member_of(base))).id for number in range(12)]
    with pytest.raises(Conflict) as raised:
        await tenant.delete(base)
    named = ", ".join(f'"user {number}" (id {users[number]})' for number in range(10))
    assert raised.value.detail == f"Other segments refer to this one: {named} and 2 more."
    assert (await tenant.get(base)).name == "base"
    for segment_id in users[:6]:
        await tenant.delete(segment_id)
    for segment_id in users[6:]:
        await tenant.update(segment_id, definition=at_least("seen"))
    await tenant.delete(base)


async def test_a_delete_and_a_new_reference_at_the_same_time_agree(tenant: Tenant, database: Database) -> None:
    for _ in range(15):
        base, other = [(await tenant.create()).id for _ in range(2)]
        saved, deleted = await asyncio.gather(
            tenant.update(other, definition=member_of(base)), tenant.delete(base), return_exceptions=True
        )
        if isinstance(deleted, Conflict):
            assert await stored(database, tenant) == [(other, base)]
            await tenant.update(other, definition=None)
        else:
            assert deleted is None
            assert isinstance(saved, Invalid)
            with pytest.raises(NotFound):
                await tenant.get(base)
            assert await stored(database, tenant) == []


async def test_an_unknown_segment_in_a_preview_or_diff_is_a_field_error(tenant: Tenant) -> None:
    segment = await tenant.create()
    unknown = 2**31 - 1
    with pytest.raises(Invalid) as raised:
        await tenant.preview(both(segment.id, unknown), limit=0, as_of="tomorrow")
    assert raised.value.fields.keys() == {"definition", "limit", "as_of"}
    assert raised.value.fields["definition"] == [
        f"conditions[1].conditions[0].segment_id: there is no segment {unknown}"
    ]
    with pytest.raises(Invalid) as raised:
        await tenant.diff(segment.id, definition=member_of(unknown), as_of="2999-01-01T00:00:00Z")
    assert raised.value.fields == {
        "definition": [f"conditions[0].segment_id: there is no segment {unknown}"],
        "as_of": ["must not lie in the future"],
    }

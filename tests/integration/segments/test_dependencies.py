"""Segments that refer to segments are computed after them, by themselves and once."""

import random
from collections.abc import Sequence

from services.kit.postgres import Database
from services.kit.settings import Settings
from tests.integration.segments.calling import Tenant, at_least, member_of, until
from tests.integration.segments.conftest import QUICK
from tests.integration.segments.events import bring_in
from tests.integration.segments.holding import holding
from tests.integration.segments.ledger import rows, runs
from tests.integration.segments.process import SegmentsProcess
from tests.integration.warehouse.processes import Warehouse


def either(*segment_ids: int) -> dict[str, object]:
    """The definition: members of any of these segments."""
    return {"logic": "OR", "conditions": [member_of(segment_id) for segment_id in segment_ids]}


async def diamond(tenant: Tenant) -> list[int]:
    """A segment, two that refer to it, and one that refers to those two; computed in that order."""
    base = (await tenant.create("base", definition=at_least("seen"))).id
    left = (await tenant.create("left", definition=member_of(base))).id
    right = (await tenant.create("right", definition=member_of(base))).id
    top = (await tenant.create("top", definition=either(left, right))).id
    for segment_id in (base, left, right, top):
        assert (await tenant.compute(segment_id)).status == "computed"
    return [base, left, right, top]


async def all_settled(tenant: Tenant, segment_ids: Sequence[int]) -> None:
    """Returns when none of the segments waits for a compute or runs it. What follows is queued before that."""

    async def settled() -> bool:
        return all([(await tenant.get(segment_id)).status != "computing" for segment_id in segment_ids])

    await until(settled)


async def told(database: Database, tenant: Tenant, segment_ids: Sequence[int]) -> list[tuple[int, str]]:
    return [(run.segment_id, run.cause) for run in await runs(database, tenant, *segment_ids)]


async def test_a_change_goes_through_a_diamond_and_computes_each_once_in_order(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = await diamond(tenant)
    base, left, right, top = segments
    already = len(await told(database, tenant, segments))
    await bring_in(warehouse, tenant.id, "seen", ["v"])
    await tenant.queue(base)
    await all_settled(tenant, segments)
    ran = (await told(database, tenant, segments))[already:]
    assert ran[0] == (base, "requested")
    assert sorted(ran[1:3]) == [(left, "dependency"), (right, "dependency")]
    assert ran[3:] == [(top, "dependency")]
    assert sorted(await tenant.membership("v")) == segments


async def test_a_change_that_goes_two_ways_is_waited_for(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    chain = [(await tenant.create(definition=at_least("seen"))).id]
    for _ in range(3):
        chain.append((await tenant.create(definition=member_of(chain[-1]))).id)
    chain.append((await tenant.create(definition=either(chain[0], chain[-1]))).id)
    for segment_id in chain:
        await tenant.compute(segment_id)
    await bring_in(warehouse, tenant.id, "seen", ["v"])
    await tenant.queue(chain[0])
    await all_settled(tenant, chain)
    assert [segment_id for segment_id, _ in await told(database, tenant, chain)] == chain * 2


async def test_nothing_follows_a_compute_that_changed_nothing(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = await diamond(tenant)
    already = len(await told(database, tenant, segments))
    await tenant.compute(segments[0])
    await all_settled(tenant, segments)
    assert (await told(database, tenant, segments))[already:] == [(segments[0], "requested")]


async def test_scheduled_together_they_run_in_the_order_of_their_references(
    tenant: Tenant, warehouse: Warehouse, database: Database, settings: Settings
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = await diamond(tenant)
    await bring_in(warehouse, tenant.id, "seen", ["v"])
    already = len(await told(database, tenant, segments))
    second = SegmentsProcess(settings, SEGOPS_LISTEN=f"unix:{settings.run_dir / 'segments-2.sock'}", **QUICK)
    second.start()
    # All are due, those who refer to others the longest.
    due = "UPDATE segments SET refresh_minutes = 5, refresh_at = now() - id * interval '1 ms' RETURNING id"
    await rows(database, tenant, due)

    async def all_ran() -> bool:
        return len(await told(database, tenant, segments)) >= already + len(segments)

    await until(all_ran)
    await all_settled(tenant, segments)
    assert second.stop() == 0
    ran = (await told(database, tenant, segments))[already:]
    base, left, right, top = segments
    assert ran[0] == (base, "schedule")
    assert sorted(ran[1:3]) == [(left, "schedule"), (right, "schedule")]
    assert ran[3:] == [(top, "schedule")]
    assert sorted(await tenant.membership("v")) == segments


async def test_a_segment_that_fails_does_not_block_those_who_refer_to_it(
    tenant: Tenant, warehouse: Warehouse, database: Database
) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    segments = await diamond(tenant)
    broken = """UPDATE segments SET definition = '{"logic": "NONE"}' WHERE id = :id RETURNING id"""
    await rows(database, tenant, broken, id=segments[0])
    for segment_id in segments:
        await tenant.queue(segment_id)
    await all_settled(tenant, segments)
    assert [(await tenant.get(segment_id)).status for segment_id in segments] == ["failed", *["computed"] * 3]


async def test_segments_that_wait_hold_up_nobody(tenant: Tenant, warehouse: Warehouse, database: Database) -> None:
    await bring_in(warehouse, tenant.id, "seen", ["u"])
    base = (await tenant.create(definition=at_least("seen"))).id
    followers = [(await tenant.create(definition=member_of(base))).id for _ in range(6)]
    async with holding(database, tenant) as is_waiting:
        await tenant.queue(base)
        await is_waiting()
        for segment_id in followers:
            await tenant.queue(segment_id)
        # Of two workers one holds the base, and the other is free, however many wait.
        free = await tenant.create(definition=at_least("never"))
        assert (await tenant.compute(free.id)).status == "computed"
        assert {(await tenant.get(segment_id)).status for segment_id in followers} == {"computing"}
    await all_settled(tenant, followers)
    ran = [segment_id for segment_id, _ in await told(database, tenant, [base, *followers])]
    assert (ran[0], sorted(ran[1:])) == (base, followers)


async def test_whatever_is_queued_when_all_end_up_to_date(
    tenant: Tenant, warehouse: Warehouse, settings: Settings, process: SegmentsProcess
) -> None:
    base = (await tenant.create(definition=at_least("seen"))).id
    layers = [[base]]
    for _ in range(2):
        layers.append([(await tenant.create(definition=either(*layers[-1], base))).id for _ in range(2)])
    segments = [segment_id for layer in layers for segment_id in layer]
    for segment_id in segments:
        await tenant.compute(segment_id)
    second = SegmentsProcess(settings, SEGOPS_LISTEN=f"unix:{settings.run_dir / 'segments-2.sock'}", **QUICK)
    second.start()
    said = len(process.said())
    for number in range(5):
        await bring_in(warehouse, tenant.id, "seen", [f"u{number}"])
        for segment_id in (base, *random.sample(segments, 3)):
            await tenant.queue(segment_id)
    await tenant.settled(base)
    await tenant.queue(base)
    await all_settled(tenant, segments)
    assert second.stop() == 0
    assert [await tenant.membership(f"u{number}") for number in range(5)] == [segments] * 5
    assert '"ERROR"' not in process.said()[said:]

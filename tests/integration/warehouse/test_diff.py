"""Whom a definition matches beside who is a member."""

import json
from datetime import timedelta

import pytest

from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.wire import timestamp
from tests.integration.warehouse.ledger import AT, append, line
from tests.integration.warehouse.processes import Warehouse
from tests.integration.warehouse.rows import Event
from tests.integration.warehouse.test_matches import did, load

SEGMENT = 7
NOBODY_DID = json.dumps(
    {"logic": "AND", "conditions": [{"type": "event_count", "event_type": "x", "operator": "lt", "value": 1}]}
)


async def diff(
    warehouse: Warehouse, tenant: int, evaluation: pb.Evaluation, sample: int = 10
) -> pb.DiffDefinitionResponse:
    request = pb.DiffDefinitionRequest(evaluation=evaluation, segment_id=SEGMENT, sample_limit=sample)
    return await warehouse.stub.DiffDefinition(request, metadata=warehouse.metadata(tenant))


def counts(found: pb.DiffDefinitionResponse) -> tuple[int, int, int]:
    return found.entering, found.leaving, found.staying


@pytest.fixture
async def loaded(warehouse: Warehouse, tenant: int, other_tenant: int) -> Warehouse:
    """Users é, a, b, c and d, of whom b, c and x entered in run 3, and b left in run 5."""
    events = [Event(user_id=user_id, occurred_at=AT) for user_id in ("é", "a", "b", "c")]
    events += [Event(user_id="d", occurred_at=AT + timedelta(hours=1))]
    await load(warehouse, other_tenant, [Event(user_id="other")])
    await append(warehouse, other_tenant, SEGMENT, line(3, "a") + line(3, "z"))
    await append(warehouse, tenant, SEGMENT, b"".join(line(3, user_id) for user_id in "bcx"))
    await append(warehouse, tenant, SEGMENT, line(5, "b", entered=False, at=AT + timedelta(hours=1)))
    await load(warehouse, tenant, events)
    return warehouse


async def test_who_enters_leaves_and_stays_is_counted_and_shown_in_byte_order(loaded: Warehouse, tenant: int) -> None:
    found = await diff(loaded, tenant, pb.Evaluation(definition=did("page_viewed"), runs={SEGMENT: 5}))
    assert counts(found) == (4, 1, 1)
    assert list(found.sample_entering_ids) == ["a", "b", "d", "é"]
    assert list(found.sample_leaving_ids) == ["x"]


async def test_the_run_decides_who_is_a_member(loaded: Warehouse, tenant: int) -> None:
    for runs, expected in (({SEGMENT: 4}, (3, 1, 2)), ({SEGMENT: 2}, (5, 0, 0)), ({}, (5, 0, 0))):
        found = await diff(loaded, tenant, pb.Evaluation(definition=did("page_viewed"), runs=runs))
        assert counts(found) == expected


async def test_in_the_past_neither_later_events_nor_later_changes_count(loaded: Warehouse, tenant: int) -> None:
    evaluation = pb.Evaluation(definition=did("page_viewed"), runs={SEGMENT: 5}, past=True, now=timestamp(AT))
    found = await diff(loaded, tenant, evaluation)
    assert counts(found) == (2, 1, 2)
    assert list(found.sample_entering_ids) == ["a", "é"]


async def test_samples_are_as_long_as_wanted(loaded: Warehouse, tenant: int) -> None:
    for sample in (0, 1, 2):
        found = await diff(loaded, tenant, pb.Evaluation(definition=did("page_viewed"), runs={SEGMENT: 5}), sample)
        assert counts(found) == (4, 1, 1)
        assert list(found.sample_entering_ids) == ["a", "b"][:sample]
        assert list(found.sample_leaving_ids) == ["x"][:sample]


async def test_conditions_that_hold_without_events_and_nobody_at_all_compare_too(
    loaded: Warehouse, tenant: int
) -> None:
    assert counts(await diff(loaded, tenant, pb.Evaluation(definition=NOBODY_DID, runs={SEGMENT: 5}))) == (4, 1, 1)
    assert counts(await diff(loaded, tenant, pb.Evaluation(definition=did("x"), runs={SEGMENT: 5}))) == (0, 2, 0)
    assert counts(await diff(loaded, tenant, pb.Evaluation(definition=did("x")))) == (0, 0, 0)

"""What is explained about one person is what the plain evaluator finds, and what a compute decides."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.definition import (
    Condition,
    EventCount,
    EventProperty,
    EventSequence,
    Group,
    Metric,
    Monetary,
    Recency,
    SegmentMembership,
    UserProperty,
    leaves,
    parse,
)
from services.kit.errors import NotFound
from services.warehouse.compiler.conditions import Moment
from services.warehouse.compiler.questions import Arrival
from services.warehouse.explain import Explained, Person, changes, explain
from tests.integration.compiler.definitions import Json, sequences
from tests.integration.compiler.histories import DAYS, NOW, TYPES, paths
from tests.integration.compiler.ledgers import members
from tests.integration.compiler.samples import VALUES
from tests.integration.compiler.test_against_oracle import GENERATED, Case, cases
from tests.integration.compiler.warehouse import Warehouse
from tests.oracle.evaluate import DAY, cut, holds, in_window, of_type
from tests.oracle.history import Event, newest
from tests.oracle.values import MISSING, look_up, number_of

LATE = timedelta(hours=30)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Somebody, what they did by then, and the segments they are in."""

    person: Person
    events: list[Event]
    member_of: Collection[int]


def persons(case: Case, tenant_id: int, count: int) -> list[Asked]:
    """Some users of a case, each by one id, and the first two as one person."""
    history = [event for event in case.mine if not case.past or event.occurred_at <= case.now]
    segments = members(case.ledger, runs=case.runs, until=case.now if case.past else None)
    ids = sorted({event.user_id for event in case.mine})
    # Which of two property sets counts that are equally new is told by ids: so of one user only.
    sets = [(event.occurred_at, event.received_at) for event in history if event.event_type == TYPES[-1]]
    both = [ids[:2]] if len(sets) == len(set(sets)) else []
    return [
        Asked(
            person=Person(tenant_id=tenant_id, user_ids=these),
            events=[event for event in history if event.user_id in these],
            member_of={segment_id for segment_id, users in segments.items() if users.intersection(these)},
        )
        for these in (*both, *([user_id] for user_id in ids[:count]), ["nobody"])
        if these
    ]


def moment_of(case: Case) -> Moment:
    return Moment.at(case.now, past=case.past, runs=case.runs)


def check_explained(warehouse: Warehouse, case: Case) -> None:
    """Every condition of a case holds as in the oracle, and together they make what a compute decides."""
    (tenant_id,) = warehouse.load(case.mine)
    warehouse.mirror(tenant_id, case.ledger)
    definitions = [parse(raw) for raw in case.definitions]
    keys = {"past": case.past, "runs": case.runs}
    computed = [set(warehouse.users(group, tenant_id, case.now, **keys)) for group in definitions]
    together = parse({"logic": "OR", "conditions": case.definitions})
    for asked in persons(case, tenant_id, 3):
        if not asked.events:
            with pytest.raises(NotFound):
                explain(warehouse.client, asked.person, together, moment_of(case))
            continue
        found = explain(warehouse.client, asked.person, together, moment_of(case))
        for (path, condition), one in zip(leaves(together), found, strict=True):
            assert one.holds == holds(condition, asked.events, case.now, asked.member_of), (path, condition)
            check_value(condition, one, asked, case.now)
            check_evidence(condition, one, asked.events)
        if len(asked.person.user_ids) == 1:
            for group, users in zip(definitions, computed, strict=True):
                decided = asked.person.user_ids[0] in users
                assert holds(group, asked.events, case.now, asked.member_of) == decided


def check_value(condition: Condition, one: Explained, asked: Asked, now: datetime) -> None:
    """The value is what the person has, by the oracle's means."""
    value = json.loads(one.fact.value)
    match condition:
        case EventCount():
            assert value == len(in_window(of_type(asked.events, condition.event_type), condition.window_days, now))
        case Recency():
            done = of_type(asked.events, condition.event_type)
            assert value == (round((now - newest(done).occurred_at) / DAY, 8) if done else None)
        case Monetary():
            expected = aggregate(condition, asked.events, now)
            assert value == (expected if expected is None else pytest.approx(expected, rel=1e-12, abs=1e-18))
        case EventProperty() | UserProperty():
            event_type = condition.event_type if isinstance(condition, EventProperty) else TYPES[-1]
            done = of_type(asked.events, event_type)
            wanted = look_up(newest(done).payload, condition.property) if done else MISSING
            assert same(value, None if wanted is MISSING else wanted)
        case EventSequence():
            assert (len(value) == len(condition.events)) == one.holds
        case SegmentMembership():
            assert value == (condition.segment_id in asked.member_of)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, numbers as doubles."""
    return bool(json.loads(json.dumps(one), parse_int=as_read) == json.loads(json.dumps(other), parse_int=as_read))


def as_read(digits: str) -> float | str:
    """A whole number as the engine reads it: text beyond 64 bits."""
    return float(digits) if -(2**63) <= int(digits) < 2**64 else digits


def aggregate(condition: Monetary, events: list[Event], now: datetime) -> float | None:
    """The aggregate as exact decimals."""
    done = in_window(of_type(events, condition.event_type), condition.window_days, now)
    found = [number_of(look_up(event.payload, condition.property)) for event in done]
    numbers = [Decimal(repr(number)) for number in found if number is not None]
    with localcontext(prec=400):
        if condition.metric in (Metric.SUM, Metric.AVG):
            numbers = [cut(number) for number in numbers if abs(number) < Decimal("1e58")]
        if not numbers:
            return None
        total = sum(numbers, Decimal(0))
        values = {
            Metric.SUM: total,
            Metric.AVG: total / len(numbers),
            Metric.MAX: max(numbers),
            Metric.MIN: min(numbers),
        }
        return float(values[condition.metric])


def check_evidence(condition: Condition, one: Explained, events: list[Event]) -> None:
    """The events that decide are the person's, of the right types, and at most ten of all there are."""
    ids = {str(event.event_id): event for event in events}
    shown = one.fact.events
    assert len(shown) == min(one.fact.count, 10)
    for event in shown:
        stored = ids[event.event_id]
        assert (stored.event_type, stored.occurred_at) == (event.event_type, event.occurred_at)
    match condition:
        case EventCount():
            assert one.fact.count == json.loads(one.fact.value)
            assert [event.occurred_at for event in shown] == sorted((e.occurred_at for e in shown), reverse=True)
        case EventProperty():
            done = of_type(events, condition.event_type)
            assert [event.event_id for event in shown] == ([str(newest(done).event_id)] if done else [])
        case EventSequence():
            steps = [event.event_type for event in shown]
            times = [event.occurred_at for event in shown]
            assert steps == list(condition.events[: len(steps)])
            assert times == sorted(set(times))
            assert not times or times[-1] - times[0] <= condition.window_days * DAY
        case SegmentMembership():
            assert not shown


@settings(GENERATED, max_examples=15)
@given(cases())
def test_conditions_hold_as_in_the_oracle_and_make_what_a_compute_decides(warehouse: Warehouse, case: Case) -> None:
    check_explained(warehouse, case)


@settings(GENERATED, max_examples=8)
@given(st.integers(0, 2**32 - 1), st.lists(sequences(), min_size=4, max_size=4))
def test_the_steps_that_are_shown_are_a_whole_path_where_there_is_one(
    warehouse: Warehouse, seed: int, definitions: list[Json]
) -> None:
    history = paths(6, seed)
    (tenant_id,) = warehouse.load(history)
    group = parse({"logic": "AND", "conditions": definitions})
    for user in sorted({event.user_id for event in history}):
        events = [event for event in history if event.user_id == user]
        found = explain(warehouse.client, Person(tenant_id=tenant_id, user_ids=[user]), group, moment_now())
        for (_, condition), one in zip(leaves(group), found, strict=True):
            assert one.holds == holds(condition, events, NOW, ()), condition
            assert isinstance(condition, EventSequence)
            assert (one.fact.count == len(condition.events)) == one.holds, condition
            check_evidence(condition, one, events)


def moment_now() -> Moment:
    return Moment.at(NOW, past=False, runs={})


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    """An event that arrives after all others of a case."""
    values = draw(st.lists(VALUES, min_size=1, max_size=2))
    ago = draw(st.sampled_from((timedelta(0), timedelta(milliseconds=1), *(timedelta(days=days) for days in DAYS))))
    payload = {"p": values[0], "a": draw(st.sampled_from(({"b": values[-1]}, values[-1])))}
    return Arrival(
        event_type=draw(st.sampled_from((*TYPES, "never"))),
        occurred_at=NOW - ago,
        received_at=NOW + LATE,
        payload=json.dumps(payload, separators=(",", ":"), ensure_ascii=False),
    )


def check_changes(warehouse: Warehouse, case: Case, arrival: Arrival) -> None:
    """One more event changes what it changes in the oracle, and is not stored."""
    (tenant_id,) = warehouse.load(case.mine)
    warehouse.mirror(tenant_id, case.ledger)
    at = Moment.at(NOW, past=False, runs=case.runs)
    definitions = [parse(raw) for raw in case.definitions]
    now = Case(**{**vars(case), "now": NOW, "past": False})
    for asked in persons(now, tenant_id, 2):
        event = Event(
            user_id=asked.person.user_ids[0],
            event_type=arrival.event_type,
            occurred_at=arrival.occurred_at,
            received_at=arrival.received_at,
            event_id=UUID("ffffffff-ffff-ffff-ffff-ffffffffffff"),
            payload=json.loads(arrival.payload),
        )

        def matched(events: list[Event], group: Group, member_of: Collection[int] = asked.member_of) -> bool:
            return bool(events) and holds(group, events, NOW, member_of)

        sides = [(matched(asked.events, group), matched([*asked.events, event], group)) for group in definitions]
        found = changes(warehouse.client, asked.person, definitions, at, arrival)
        assert found.entered == [place for place, side in enumerate(sides) if side == (False, True)]
        assert found.exited == [place for place, side in enumerate(sides) if side == (True, False)]
    (count,) = warehouse.client.query(f"SELECT count() FROM events WHERE tenant_id = {tenant_id}").result_rows[0]
    assert count == len(case.mine)


@settings(GENERATED, max_examples=15)
@given(cases(), arrivals())
def test_one_more_event_changes_what_it_changes_in_the_oracle(
    warehouse: Warehouse, case: Case, arrival: Arrival
) -> None:
    check_changes(warehouse, case, arrival)

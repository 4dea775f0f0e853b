"""What each condition means, by example: users are named after what they are."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from services.definition import parse
from tests.integration.compiler.histories import NOW
from tests.integration.compiler.ledgers import Change
from tests.integration.compiler.warehouse import Warehouse
from tests.oracle.history import Event

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)


def _event(
    user_id: str,
    payload: dict[str, object] | None = None,
    *,
    event_type: str = "order",
    at: datetime = NOW,
    after: timedelta = timedelta(0),
    event_id: int = 1,
) -> Event:
    return Event(
        user_id=user_id,
        event_type=event_type,
        occurred_at=at,
        received_at=at + after,
        event_id=UUID(int=event_id),
        payload=payload or {},
    )


def _found(
    warehouse: Warehouse, events: list[Event], *conditions: Mapping[str, object], logic: str = "AND"
) -> set[str]:
    group = parse({"logic": logic, "conditions": list(conditions)})
    (tenant,) = warehouse.load(events)
    return set(warehouse.users(group, tenant, NOW))


def _count(operator: str, value: float, **keys: object) -> dict[str, object]:
    return {"type": "event_count", "event_type": "order", "operator": operator, "value": value, **keys}


def _latest(operator: str, **keys: object) -> dict[str, object]:
    return {"type": "event_property", "event_type": "order", "property": "k", "operator": operator, **keys}


def _spent(metric: str, operator: str, value: float, **keys: object) -> dict[str, object]:
    condition = {"type": "monetary", "event_type": "order", "property": "k", "metric": metric}
    return {**condition, "operator": operator, "value": value, **keys}


VISITOR = _event("visitor", event_type="visit")


@pytest.mark.parametrize(("operator", "value"), [("lt", 1), ("eq", 0), ("neq", 3), ("lte", 0), ("gte", 0), ("gt", -1)])
def test_a_count_of_zero_matches_users_who_never_did_it(warehouse: Warehouse, operator: str, value: int) -> None:
    assert "visitor" in _found(warehouse, [VISITOR, _event("buyer")], _count(operator, value))


def test_a_window_is_open_at_its_start_and_closed_at_now(warehouse: Warehouse) -> None:
    events = [
        _event("at start", at=NOW - 7 * DAY),
        _event("just inside", at=NOW - 7 * DAY + MILLISECOND),
        _event("now", at=NOW),
        _event("ahead", at=NOW + MILLISECOND),
    ]
    assert _found(warehouse, events, _count("gte", 1, window_days=7)) == {"just inside", "now"}
    assert _found(warehouse, events, _count("lt", 1, window_days=7)) == {"at start", "ahead"}
    assert len(_found(warehouse, events, _count("gte", 1))) == 4


def test_conditions_on_one_event_keep_their_own_windows(warehouse: Warehouse) -> None:
    events = [_event("lapsed", at=NOW - 20 * DAY), _event("loyal", at=NOW - 20 * DAY), _event("loyal")]
    assert _found(warehouse, events, _count("gte", 1, window_days=30), _count("lt", 1, window_days=7)) == {"lapsed"}
    assert _found(warehouse, events, _count("gte", 2), _count("eq", 1, window_days=7)) == {"loyal"}


def test_recency_is_about_the_last_event_and_whole_days(warehouse: Warehouse) -> None:
    ages = {"6.9": 7 * DAY - MILLISECOND, "7": 7 * DAY, "7.9": 8 * DAY - MILLISECOND, "8": 8 * DAY, "ahead": -DAY}
    events = [VISITOR, *(_event(name, at=NOW - age) for name, age in ages.items()), _event("6.9", at=NOW - 50 * DAY)]
    recency: dict[str, object] = {"type": "recency", "event_type": "order", "window_days": 7}
    assert _found(warehouse, events, {**recency, "operator": "lt"}) == {"6.9", "ahead"}
    assert _found(warehouse, events, {**recency, "operator": "eq"}) == {"7", "7.9"}
    assert _found(warehouse, events, {**recency, "operator": "gt"}) == {"7.9", "8"}


def test_only_numbers_and_numeric_text_are_summed_and_exactly(warehouse: Warehouse) -> None:
    events = [_event("exact", {"k": value}) for value in (0.1, "0.2", True, None, "x", "-", "inf", [9], {"n": 9})]
    events += [_event("none", {"k": value}) for value in (True, "e5", ".", "")] + [VISITOR]
    for metric, value in (("sum", 0.3), ("avg", 0.15), ("max", 0.2), ("min", 0.1)):
        assert _found(warehouse, events, _spent(metric, "eq", value)) == {"exact"}
        assert _found(warehouse, events, _spent(metric, "neq", 5)) == {"exact"}
        assert _found(warehouse, events, _spent(metric, "lt", 1, window_days=1)) == {"exact"}


def test_sums_stay_exact_beyond_what_a_float_holds(warehouse: Warehouse) -> None:
    events = [_event("huge", {"k": value}) for value in (9e19, 9e19, 0.1, 0.2, -9e19, -9e19)]
    events += [_event("more", {"k": value}) for value in (9e19, 9e19, 0.1)]
    assert _found(warehouse, events, _spent("sum", "eq", 0.3)) == {"huge"}
    assert _found(warehouse, events, _spent("avg", "eq", 0.05)) == {"huge"}
    assert _found(warehouse, events, _spent("sum", "gt", 2**53 - 1)) == {"more"}
    assert _found(warehouse, events, _spent("avg", "gt", 2**53 - 1)) == {"more"}


def test_the_latest_event_decides_and_the_later_received_among_equals(warehouse: Warehouse) -> None:
    events = [
        _event("by time", {"k": "old"}, at=NOW - DAY, after=2 * DAY),
        _event("by time", {"k": "new"}),
        _event("by receipt", {"k": "new"}, after=MILLISECOND),
        _event("by receipt", {"k": "old"}, event_id=2**128 - 1),
        VISITOR,
    ]
    assert _found(warehouse, events, _latest("eq", value="new")) == {"by time", "by receipt"}
    assert _found(warehouse, events, _latest("neq", value="new")) == set()


NEGATIVES: list[tuple[str, dict[str, object]]] = [
    ("neq", {"value": "a"}),
    ("not_in", {"value": ["a", "c"]}),
    ("does_not_contain", {"value": "a"}),
    ("not_between", {"value": [1, 2]}),
    ("is_not_set", {}),
]


@pytest.mark.parametrize(("operator", "keys"), NEGATIVES)
def test_a_negative_operator_is_true_where_the_property_is_missing(
    warehouse: Warehouse, operator: str, keys: dict[str, object]
) -> None:
    who_bought = [_event("without"), _event("null", {"k": None}), VISITOR]
    assert _found(warehouse, who_bought, _latest(operator, **keys)) == {"without", "null"}
    condition = {"type": "user_property", "property": "k", "operator": operator, **keys}
    assert _found(warehouse, who_bought, condition) == {"without", "null", "visitor"}


def test_the_newest_property_set_replaces_the_older_ones(warehouse: Warehouse) -> None:
    def identify(user: str, payload: dict[str, object], at: datetime) -> Event:
        return _event(user, payload, event_type="context_identified", at=at)

    events = [
        identify("left", {}, NOW),
        identify("left", {"plan": {"name": "pro"}}, NOW - DAY),
        identify("has", {"plan": {"name": "pro"}}, NOW),
        identify("flat", {"plan.name": "pro"}, NOW),
    ]
    plan = {"type": "user_property", "property": "plan.name"}
    assert _found(warehouse, events, {**plan, "operator": "eq", "value": "pro"}) == {"has"}
    assert _found(warehouse, events, {**plan, "operator": "is_not_set"}) == {"left", "flat"}


MATCHES: list[tuple[str, object, list[object], list[object]]] = [
    ("eq", 12, [12, 12.0, "12", "12.0", "+12"], [True, "12a", " 12", [12], None, 12.5]),
    ("eq", "12.5", [12.5, "12.5"], ["12.50", 12, [12.5]]),
    ("eq", "pro", ["pro"], ["Pro", "pro ", ["pro"], {"pro": 1}]),
    ("eq", "", [""], [None, [], {}]),
    ("eq", True, [True, "true"], [1, "True", False]),
    ("gt", 5, [6, "5.01"], [5, True, "x", None, "inf", [9]]),
    ("gte", "2026-01-01T00:00:00Z", ["2026-01-01T01:00:00+01:00", "2026-01-01 00:00:00.000001"], ["2026-01-01", 2026]),
    ("between", [1, 2], [1, 2, "1.5"], [0.99, 2.01, "x"]),
    ("in", ["a", 1, 0], ["a", 1, "1.0", -0.0], ["b", True, None]),
    ("contains", "b", ["abc", ["a", "b"]], ["ABC", ["abc"], {"b": 1}, [["b"]], None]),
    ("contains", 1, ["a1", 21, [1.0], ["1"]], ["a", [11], [True]]),
    ("contains", "0", [[-0.0], "10"], [1, [10]]),
    ("contains", '{"x":1}', ['{"x":1}'], [[{"x": 1}], {"x": 1}]),
    ("starts_with", "[", ["[a"], [["a"]]),
    ("ends_with", 5, [15, "25"], ["5a", [5], None]),
    ("matches_regex", "^a.c", ["abc", "abcd"], ["a\nc", "xabc", ["abc"]]),
    ("is_set", None, ["", 0, False, [], {}], [None]),
    ("is_true", None, [True, "true"], [1, "TRUE", [True], None]),
    ("is_false", None, [False, "false"], [0, "", None]),
]


@pytest.mark.parametrize(("operator", "value", "matching", "others"), MATCHES)
def test_a_property_is_compared_as_its_value_asks(
    warehouse: Warehouse, operator: str, value: object, matching: list[object], others: list[object]
) -> None:
    events = [_event(f"yes {index}", {"k": item}) for index, item in enumerate(matching)]
    events += [_event(f"no {index}", {"k": item}) for index, item in enumerate(others)]
    keys = {} if value is None else {"value": value}
    assert _found(warehouse, events, _latest(operator, **keys)) == {f"yes {index}" for index in range(len(matching))}


def _steps(*events: str, days: int = 7, strict: bool = False) -> dict[str, object]:
    return {"type": "event_sequence", "events": list(events), "window_days": days, "strict": strict}


def _path(user_id: str, *steps: tuple[str, float]) -> list[Event]:
    """A user's events, each with the days since the first."""
    start = NOW - 400 * DAY
    return [_event(user_id, event_type=event_type, at=start + days * DAY) for event_type, days in steps]


def test_a_sequence_is_steps_in_order_with_anything_between_anywhere_in_the_history(warehouse: Warehouse) -> None:
    events = [
        *_path("through", ("a", 0), ("x", 1), ("b", 2), ("a", 3), ("c", 4)),
        *_path("backwards", ("c", 0), ("b", 1), ("a", 2)),
        *_path("on the way", ("a", 0), ("b", 1)),
        *_path("late start counts", ("a", 0), ("a", 5), ("b", 8), ("c", 12)),
        *_path("old and broken", ("a", 0), ("b", 8), ("c", 9)),
    ]
    assert _found(warehouse, events, _steps("a", "b", "c")) == {"through", "late start counts"}


def test_steps_at_the_same_time_are_in_no_order(warehouse: Warehouse) -> None:
    events = [
        *_path("at once", ("a", 0), ("b", 0)),
        *_path("at once and again", ("a", 0), ("b", 0), ("b", 1)),
        *_path("twice at once", ("a", 0), ("a", 0)),
        *_path("twice", ("a", 0), ("a", 1)),
    ]
    assert _found(warehouse, events, _steps("a", "b")) == {"at once and again"}
    assert _found(warehouse, events, _steps("a", "a")) == {"twice"}


def test_a_sequence_may_take_its_whole_window_and_no_longer(warehouse: Warehouse) -> None:
    over = 7 + MILLISECOND / DAY
    events = [*_path("in time", ("a", 0), ("b", 7)), *_path("too late", ("a", 0), ("b", over))]
    for strict in (False, True):
        assert _found(warehouse, events, _steps("a", "b", strict=strict)) == {"in time"}


def test_nothing_lies_between_the_steps_of_a_strict_sequence(warehouse: Warehouse) -> None:
    events = [
        *_path("straight", ("x", 0), ("a", 1), ("b", 2), ("x", 3)),
        *_path("distracted", ("a", 0), ("x", 1), ("b", 2)),
        *_path("again", ("a", 0), ("a", 1), ("b", 2)),
        *_path("beside, not between", ("a", 0), ("x", 0), ("b", 1), ("x", 1)),
        *_path("identified between", ("a", 0), ("context_identified", 1), ("b", 2)),
    ]
    assert _found(warehouse, events, _steps("a", "b", strict=True)) == {"straight", "again", "beside, not between"}


def test_a_sequence_shares_its_events_with_other_conditions(warehouse: Warehouse) -> None:
    events = [*_path("once", ("a", 0), ("b", 1)), *_path("often", ("a", 0), ("a", 0), ("b", 1)), VISITOR]
    twice = {"type": "event_count", "event_type": "a", "operator": "gte", "value": 2}
    assert _found(warehouse, events, _steps("a", "b"), twice) == {"often"}
    recently = {**twice, "value": 1, "window_days": 1}
    assert _found(warehouse, events, _steps("a", "b"), recently, logic="OR") == {"once", "often"}
    never = {"type": "event_count", "event_type": "b", "operator": "lt", "value": 1}
    assert _found(warehouse, events, _steps("a", "b"), never, logic="OR") == {"once", "often", "visitor"}


def test_membership_is_that_after_the_given_run_and_nobody_is_in_a_segment_never_computed(warehouse: Warehouse) -> None:
    (tenant,) = warehouse.load([_event("stays"), _event("left"), _event("never in")])
    moves = [(1, "stays", True), (1, "left", True), (2, "left", False)]
    warehouse.mirror(
        tenant,
        [Change(segment_id=5, run_id=run, user_id=user, entered=entered, at=NOW) for run, user, entered in moves],
    )

    def found(operator: str, runs: dict[int, int]) -> set[str]:
        condition = {"type": "segment_membership", "segment_id": 5, "operator": operator}
        group = parse({"logic": "AND", "conditions": [condition]})
        return set(warehouse.users(group, tenant, NOW, runs=runs))

    assert (found("in", {5: 2}), found("not_in", {5: 2})) == ({"stays"}, {"left", "never in"})
    assert (found("in", {5: 1}), found("not_in", {5: 1})) == ({"stays", "left"}, {"never in"})
    assert (found("in", {}), found("not_in", {})) == (set(), {"stays", "left", "never in"})


def test_in_the_past_later_events_and_users_do_not_exist(warehouse: Warehouse) -> None:
    events = [
        _event("old", {"plan": "free"}, event_type="context_identified", at=NOW - 9 * DAY),
        _event("old", {"plan": "pro"}, event_type="context_identified", at=NOW - 2 * DAY),
        _event("old", at=NOW - 9 * DAY),
        _event("old", at=NOW - 2 * DAY),
        _event("new", at=NOW - 2 * DAY),
    ]
    (tenant,) = warehouse.load(events)

    def found(condition: Mapping[str, object], days_ago: int) -> set[str]:
        group = parse({"logic": "AND", "conditions": [condition]})
        return set(warehouse.users(group, tenant, NOW - days_ago * DAY, past=True))

    free = {"type": "user_property", "property": "plan", "operator": "eq", "value": "free"}
    assert (found(free, 3), found(free, 1)) == ({"old"}, set())
    not_free = {**free, "operator": "neq"}
    assert (found(not_free, 3), found(not_free, 1), found(not_free, 10)) == (set(), {"old", "new"}, set())
    assert (found(_count("eq", 1), 3), found(_count("eq", 1), 1)) == ({"old"}, {"new"})
    assert (found(_count("eq", 0), 3), found(_count("lt", 5), 10)) == (set(), set())


def test_groups_nest_and_join_by_their_own_logic(warehouse: Warehouse) -> None:
    events = [_event("a", {"k": 1}), _event("b", {"k": 2}), _event("c", event_type="visit"), _event("d", {"k": 3})]
    either = {"logic": "OR", "conditions": [_latest("eq", value=1), _latest("eq", value=2)]}
    never = _count("lt", 1)
    assert _found(warehouse, events, either, _count("gte", 1)) == {"a", "b"}
    assert _found(warehouse, events, either, never, logic="OR") == {"a", "b", "c"}
    assert _found(warehouse, events, either, never) == set()


def test_fifty_conditions_with_full_lists_compile_and_run(warehouse: Warehouse) -> None:
    values = [f"value {index} '\\" for index in range(999)]
    conditions: list[dict[str, object]] = [
        {
            "type": "event_property",
            "event_type": f"type {index}",
            "property": "k",
            "operator": "not_in" if index % 2 else "in",
            "value": [*values, index],
        }
        for index in range(50)
    ]
    events = [_event("one", {"k": 0}, event_type="type 0"), _event("two", {"k": values[7]}, event_type="type 1")]
    assert _found(warehouse, events, *conditions, logic="OR") == {"one"}

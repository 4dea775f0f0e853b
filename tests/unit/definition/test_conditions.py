"""The keys of each type of condition."""

import pytest

from services.definition import (
    Comparison,
    EventCount,
    EventProperty,
    EventSequence,
    Metric,
    Monetary,
    Operator,
    Recency,
    SegmentMembership,
    UserProperty,
)
from tests.unit.definition.build import COUNT, all_of, errors, parsed

MONETARY = {
    "type": "monetary",
    "event_type": "order_placed",
    "property": "total",
    "metric": "sum",
    "operator": "gte",
    "value": 500,
}


def test_each_type_is_read() -> None:
    assert parsed({**COUNT, "window_days": 30.0, "value": 3.0}) == EventCount(
        event_type="order_placed", operator=Operator.GTE, value=3, window_days=30
    )
    assert parsed({"type": "recency", "event_type": "visit", "operator": "lt", "window_days": 7}) == Recency(
        event_type="visit", operator=Operator.LT, window_days=7
    )
    assert parsed(MONETARY) == Monetary(
        event_type="order_placed",
        property="total",
        metric=Metric.SUM,
        operator=Operator.GTE,
        limits=(500,),
    )
    assert parsed(
        {"type": "event_property", "event_type": "visit", "property": "a.b", "operator": "is_set"}
    ) == EventProperty(event_type="visit", property="a.b", comparison=Comparison(operator=Operator.IS_SET))
    assert parsed(
        {"type": "user_property", "property": "plan", "operator": "in", "value": ["pro", 3.0]}
    ) == UserProperty(property="plan", comparison=Comparison(operator=Operator.IN, operands=("pro", 3)))


def test_whole_floats_become_integers() -> None:
    count = parsed({**COUNT, "value": 2.0, "window_days": 2.0})
    assert isinstance(count, EventCount)
    assert (type(count.value), type(count.window_days)) == (int, int)


@pytest.mark.parametrize("days", [1, 36500, 30.0, None])
def test_a_window_is_one_to_36500_whole_days_or_none(days: object) -> None:
    parsed({**COUNT, "window_days": days})


@pytest.mark.parametrize("days", [0, -1, 36501, 1.5, True, "7", [], float("nan"), float("inf"), 1e300])
def test_other_windows_are_refused(days: object) -> None:
    (text,) = errors(all_of({**COUNT, "window_days": days}))
    assert text.startswith("conditions[0].window_days: must be ")


def test_recency_needs_its_window() -> None:
    raw = {"type": "recency", "event_type": "visit", "operator": "gt"}
    assert errors(all_of(raw)) == ["conditions[0].window_days: this key is required"]
    (text,) = errors(all_of({**raw, "window_days": None}))
    assert text == "conditions[0].window_days: must be a number, not null"


@pytest.mark.parametrize("operator", ["neq", "gte", "lte", "between", "is_set"])
def test_recency_takes_three_operators(operator: str) -> None:
    (text,) = errors(all_of({"type": "recency", "event_type": "v", "operator": operator, "window_days": 1}))
    assert text == f"conditions[0].operator: '{operator}' is not one of gt, lt, eq"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "3",
        True,
        [],
        {},
        float("nan"),
        float("-inf"),
        2**53,
        -(2.0**60),
        pytest.param(10**5000, id="5001 digits"),
    ],
)
def test_a_count_is_compared_with_an_exact_finite_number(value: object) -> None:
    (text,) = errors(all_of({**COUNT, "value": value}))
    assert text.startswith("conditions[0].value: must be ")


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53) + 1, 0, -1, 2.5, -0.0])
def test_every_other_number_is_taken(value: float) -> None:
    count = parsed({**COUNT, "value": value})
    assert isinstance(count, EventCount)
    assert count.value == value


@pytest.mark.parametrize(
    ("event_type", "reason"),
    [
        ("", "must be 1 to 128 characters long"),
        ("x" * 129, "must be 1 to 128 characters long"),
        ("a\0b", "must not contain control characters"),
        ("a\nb", "must not contain control characters"),
        ("a\x7f", "must not contain control characters"),
        ("a\x85", "must not contain control characters"),
        ("\ud800", "must be valid Unicode text"),
        (None, "must be text, not null"),
        (7, "must be text, not a number"),
    ],
)
def test_an_event_type_is_1_to_128_plain_characters(event_type: object, reason: str) -> None:
    assert errors(all_of({**COUNT, "event_type": event_type})) == [f"conditions[0].event_type: {reason}"]


@pytest.mark.parametrize("event_type", ["x", "x" * 128, "Órder placed'; --", "😀", " "])
def test_any_other_event_type_is_taken(event_type: str) -> None:
    parsed({**COUNT, "event_type": event_type})


@pytest.mark.parametrize("name", ["", "x" * 257, ".", ".a", "a.", "a..b", "a\tb", 3, None])
def test_a_property_has_a_name_on_each_side_of_every_dot(name: object) -> None:
    (text,) = errors(all_of({**MONETARY, "property": name}))
    assert text.startswith("conditions[0].property: must ")


@pytest.mark.parametrize("name", ["x", "x" * 256, "a.b.c", "it's", "a b", "é"])
def test_any_other_property_is_taken(name: str) -> None:
    parsed({**MONETARY, "property": name})


@pytest.mark.parametrize("metric", ["median", "SUM", None, 1])
def test_a_metric_is_one_of_four(metric: object) -> None:
    (text,) = errors(all_of({**MONETARY, "metric": metric}))
    assert text.endswith("is not one of sum, avg, max, min")


def test_an_aggregate_compares_with_numbers() -> None:
    parsed({**MONETARY, "operator": "between", "value": [1, 2]})
    parsed({**MONETARY, "operator": "not_between", "value": 1, "value2": 2})
    time = "2026-01-01T00:00:00Z"
    for operator, value in (("eq", "5"), ("neq", True), ("gt", time), ("between", [1, time]), ("lt", None)):
        (text,) = errors(all_of({**MONETARY, "operator": operator, "value": value}))
        assert text.startswith("conditions[0].value")
        assert ": must be a number, not " in text
    (text,) = errors(all_of({**MONETARY, "operator": "contains", "value": 1}))
    assert text.startswith("conditions[0].operator: 'contains' is not one of eq, ")


SEQUENCE = {"type": "event_sequence", "events": ["visit", "order_placed"], "window_days": 7}
MEMBERSHIP = {"type": "segment_membership", "segment_id": 7, "operator": "in"}


def test_a_sequence_is_read_and_is_not_strict_unless_it_says_so() -> None:
    read = EventSequence(events=("visit", "order_placed"), window_days=7)
    assert parsed(SEQUENCE) == parsed({**SEQUENCE, "strict": False}) == parsed({**SEQUENCE, "strict": None}) == read
    strict = parsed({**SEQUENCE, "events": ["a"] * 10, "strict": True})
    assert strict == EventSequence(events=("a",) * 10, window_days=7, strict=True)


@pytest.mark.parametrize(
    ("changes", "place", "text"),
    [
        ({"events": ["a"]}, "events", "must have 2 to 10 event types, not 1"),
        ({"events": ["a"] * 11}, "events", "must have 2 to 10 event types, not 11"),
        ({"events": "a"}, "events", "must be a list, not text"),
        ({"events": ["a", 1]}, "events[1]", "must be text, not a number"),
        ({"events": ["a", ""]}, "events[1]", "must be 1 to 128 characters long"),
        ({"window_days": 0}, "window_days", "must be a whole number of days from 1 to 36500"),
        ({"strict": 1}, "strict", "must be true or false, not a number"),
        ({"operator": "gt"}, "operator", "unknown key"),
    ],
)
def test_a_wrong_key_of_a_sequence_is_named(changes: dict[str, object], place: str, text: str) -> None:
    assert errors(all_of({**SEQUENCE, **changes})) == [f"conditions[0].{place}: {text}"]


def test_a_sequence_needs_its_events_and_window() -> None:
    assert errors(all_of({"type": "event_sequence"})) == [
        "conditions[0].events: this key is required",
        "conditions[0].window_days: this key is required",
    ]


def test_a_membership_is_read() -> None:
    assert parsed(MEMBERSHIP) == SegmentMembership(segment_id=7, operator=Operator.IN)
    assert parsed({**MEMBERSHIP, "segment_id": 7.0, "operator": "not_in"}) == SegmentMembership(
        segment_id=7, operator=Operator.NOT_IN
    )


@pytest.mark.parametrize("segment_id", [0, -1, 2**31, 1.5, "7", None, True])
def test_a_membership_needs_the_id_of_a_segment(segment_id: object) -> None:
    (text,) = errors(all_of({**MEMBERSHIP, "segment_id": segment_id}))
    assert text.startswith("conditions[0].segment_id: must be ")


def test_a_membership_takes_two_operators() -> None:
    (text,) = errors(all_of({**MEMBERSHIP, "operator": "eq"}))
    assert text == "conditions[0].operator: 'eq' is not one of in, not_in"

"""Labels read like sentences, for every type of condition and every operator."""

import json

import pytest

from services.definition.conditions import READERS
from services.definition.labels import TYPES, label, threshold
from services.definition.operators import (
    FOR_AGGREGATE,
    FOR_COUNT,
    FOR_MEMBERSHIP,
    FOR_PROPERTY,
    FOR_RECENCY,
    LISTS,
    RANGES,
    WITHOUT_VALUE,
)
from tests.unit.definition.build import parsed

Json = dict[str, object]

COUNT: Json = {"type": "event_count", "event_type": "order_placed"}
RECENCY: Json = {"type": "recency", "event_type": "order_placed"}
MONETARY: Json = {"type": "monetary", "event_type": "order_placed", "property": "total", "metric": "sum"}
OF_EVENT: Json = {"type": "event_property", "event_type": "order_placed", "property": "currency"}
OF_USER: Json = {"type": "user_property", "property": "country"}
SEQUENCE: Json = {"type": "event_sequence", "events": ["order_placed", "order_paid"], "window_days": 7}
MEMBERSHIP: Json = {"type": "segment_membership", "segment_id": 7}

READINGS: list[tuple[Json, str, object]] = [
    (COUNT | {"operator": "gte", "value": 3}, "count(order_placed) >= 3", 3),
    (
        COUNT | {"operator": "lt", "value": 1, "window_days": 30},
        "count(order_placed) in the last 30 days < 1",
        1,
    ),
    (COUNT | {"operator": "neq", "value": 0, "window_days": 1}, "count(order_placed) in the last 1 day != 0", 0),
    (RECENCY | {"operator": "gt", "window_days": 30}, "last order_placed more than 30 days ago", 30),
    (RECENCY | {"operator": "lt", "window_days": 1}, "last order_placed less than 1 day ago", 1),
    (RECENCY | {"operator": "eq", "window_days": 2}, "last order_placed 2 days ago", 2),
    (MONETARY | {"operator": "gte", "value": 500}, "sum(order_placed.total) >= 500", 500),
    (
        MONETARY | {"metric": "avg", "operator": "lt", "value": 0.5, "window_days": 90},
        "avg(order_placed.total) in the last 90 days < 0.5",
        0.5,
    ),
    (
        MONETARY | {"metric": "max", "operator": "between", "value": 1, "value2": 2.5},
        "max(order_placed.total) between 1 and 2.5",
        [1, 2.5],
    ),
    (
        MONETARY | {"metric": "min", "operator": "not_between", "value": [1, 2]},
        "min(order_placed.total) not between 1 and 2",
        [1, 2],
    ),
    (OF_EVENT | {"operator": "eq", "value": "EUR"}, "currency of the latest order_placed is EUR", "EUR"),
    (OF_EVENT | {"operator": "is_true"}, "currency of the latest order_placed is true", None),
    (OF_USER | {"operator": "in", "value": ["DE", "AT"]}, "country of the user is one of DE, AT", ["DE", "AT"]),
    (OF_USER | {"operator": "not_in", "value": ["DE"]}, "country of the user is none of DE", ["DE"]),
    (OF_USER | {"operator": "neq", "value": True}, "country of the user is not true", True),
    (OF_USER | {"operator": "is_not_set"}, "country of the user is not set", None),
    (OF_USER | {"operator": "contains", "value": "a b"}, 'country of the user contains "a b"', "a b"),
    (OF_USER | {"operator": "eq", "value": ""}, 'country of the user is ""', ""),
    (OF_USER | {"operator": "eq", "value": "a\nb"}, 'country of the user is "a\\nb"', "a\nb"),
    (
        OF_USER | {"operator": "starts_with", "value": "x" * 70},
        f"country of the user starts with {'x' * 60}...",
        "x" * 70,
    ),
    (
        OF_USER | {"operator": "lt", "value": "2026-01-01T01:00:00+01:00"},
        "country of the user is before 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
    ),
    (OF_USER | {"operator": "lt", "value": 18}, "country of the user is less than 18", 18),
    (SEQUENCE, "order_placed then order_paid within 7 days", 7),
    (SEQUENCE | {"strict": True}, "order_placed directly then order_paid within 7 days", 7),
    (MEMBERSHIP | {"operator": "in"}, 'in segment "VIP"', True),
    (MEMBERSHIP | {"operator": "not_in"}, 'not in segment "VIP"', False),
    (MEMBERSHIP | {"operator": "in", "segment_id": 8}, "in segment 8", True),
]


@pytest.mark.parametrize(("raw", "reading", "wanted"), READINGS, ids=[reading for _, reading, _ in READINGS])
def test_a_condition_reads_like_a_sentence_and_says_what_it_asks_for(raw: Json, reading: str, wanted: object) -> None:
    condition = parsed(raw)
    assert label(condition, {7: "VIP"}) == reading
    assert json.dumps(threshold(condition)) == json.dumps(wanted)
    assert TYPES[type(condition)] == raw["type"]


def test_every_type_has_a_name() -> None:
    assert list(TYPES.values()) == list(READERS)


def test_of_a_long_list_the_begin_is_shown() -> None:
    condition = parsed(OF_USER | {"operator": "in", "value": [f"c{number}" for number in range(1_000)]})
    shown = ", ".join(f"c{number}" for number in range(10))
    assert label(condition, {}) == f"country of the user is one of {shown} and 990 more"


def _all_operators() -> list[Json]:
    made = [COUNT | {"operator": operator, "value": 1} for operator in FOR_COUNT]
    made += [RECENCY | {"operator": operator, "window_days": 1} for operator in FOR_RECENCY]
    made += [
        MONETARY | {"operator": operator, "value": [1, 2] if operator in RANGES else 1} for operator in FOR_AGGREGATE
    ]
    for of in (OF_EVENT, OF_USER):
        for operator in FOR_PROPERTY:
            value = (
                {}
                if operator in WITHOUT_VALUE
                else {"value": [1, 2] if operator in RANGES | LISTS else "2026-01-01T00:00:00Z"}
            )
            made.append(of | {"operator": operator} | value)
    return made + [MEMBERSHIP | {"operator": operator} for operator in FOR_MEMBERSHIP]


def test_no_two_operators_of_a_type_read_alike() -> None:
    readings = [label(parsed(raw), {}) for raw in _all_operators()]
    assert len(set(readings)) == len(readings)

"""Inferred schemas: what events have in common, and that each of them passes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.bodies import compact
from services.ingestion.inference import infer
from services.ingestion.schema_fields import whole_schema
from services.kit.errors import Invalid


def inferred(*payloads: dict[str, Any]) -> list[tuple[str, str, bool]]:
    [schema] = infer([("t", json.dumps(payload, separators=(",", ":"))) for payload in payloads])
    return [(one.name, one.type, one.required) for one in schema.properties]


def test_types_are_told_apart() -> None:
    payload = {"a": [1], "b": True, "n": 1.5, "d": "2026-04-25T14:32:00Z", "s": "x", "o": {"in": {"n": 1}}, "0": None}
    assert inferred(payload) == [
        ("a", "array", True),
        ("b", "boolean", True),
        ("n", "number", True),
        ("d", "datetime", True),
        ("s", "string", True),
        ("o.in.n", "number", True),
    ]


def test_required_is_what_every_event_has() -> None:
    assert inferred({"a": 1, "b": 1}, {"a": 2, "b": None}, {"a": 3}) == [("a", "number", True), ("b", "number", False)]


@pytest.mark.parametrize(
    "values", [(1, "x"), ("2026-04-25T14:32:00Z", "x"), (True, "x"), (1, True), (10**400,), (1, 10**400)]
)
def test_what_differs_and_can_be_text_is_text(values: tuple[object, ...]) -> None:
    assert inferred(*({"a": value} for value in values)) == [("a", "string", True)]


@pytest.mark.parametrize("values", [([], 1), ({}, "x"), ({}, [])])
def test_what_no_type_takes_is_left_out(values: tuple[object, ...]) -> None:
    assert inferred(*({"a": value} for value in values)) == []


def test_what_cannot_be_declared_is_left_out() -> None:
    assert inferred({"a.b": 1, "": 1, "x" * 257: 1, "\n": 1, "c": {"d" * 255: 1}, "e": 1}) == [("e", "number", True)]
    assert len(inferred({f"p{number}": 1 for number in range(300)})) == 200


def test_too_many_values_are_not_looked_at() -> None:
    payload = json.dumps({f"p{number}": 1 for number in range(1_000)}, separators=(",", ":"))
    assert len(infer([("t", payload)] * 50)) == 1
    with pytest.raises(Invalid) as raised:
        infer([("t", payload)] * 51)
    assert raised.value.fields == {"events": ["Send fewer or smaller ones: 50,000 values in all."]}


def test_event_types_are_ordered_by_name() -> None:
    schemas = infer([("b", '{"x":1}'), ("a", '{"y":1}'), ("b", '{"z":1}')])
    assert [(schema.event_type, [one.name for one in schema.properties]) for schema in schemas] == [
        ("a", ["y"]),
        ("b", ["x", "z"]),
    ]


_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "1", "2026-04-25T14:32:00Z"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc.\n"), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from("abc.\n"), _value, max_size=4), min_size=1, max_size=5))
def test_each_event_passes_the_schema_inferred_from_them(payloads: list[dict[str, object]]) -> None:
    texts = [compact(json.dumps(payload).encode()).decode() for payload in payloads]
    [schema] = infer([("t", text) for text in texts])
    assert [schema.conform(text)[1] for text in texts] == [[]] * len(texts)
    properties = [{"name": one.name, "type": one.type, "required": one.required} for one in schema.properties]
    if properties:
        assert whole_schema({"event_type": "t", "properties": properties})["properties"] == properties

"""Schemas: what they refuse, what they make of a value, and that they leave alone what they do not name."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.batches import Batch, parse_batch
from services.ingestion.bodies import compact
from services.ingestion.schemas import Property, Schema, apply

NOW = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)


def schema(event_type: str = "t", /, **types: str) -> Schema:
    """A schema of properties named `a__b` for `a.b`, whose type ends with `!` when they are required."""
    return Schema(
        event_type=event_type,
        properties=[
            Property(name=name.replace("__", "."), type=type_.rstrip("!"), required=type_.endswith("!"))
            for name, type_ in types.items()
        ],
    )


def batch(*events: tuple[str, str]) -> Batch:
    """Events of types with payloads, in a batch."""
    texts = [f'{{"user_id":"u-{i}","event_type":"{kind}","payload":{text}}}' for i, (kind, text) in enumerate(events)]
    return parse_batch(compact(f'{{"events":[{",".join(texts)}]}}'.encode()), NOW)


@pytest.mark.parametrize(
    ("type_", "sent", "kept"),
    [
        ("string", '"x\\u00e9"', '"x\\u00e9"'),
        ("string", "1.50", '"1.50"'),
        ("string", "12345678901234567890", '"12345678901234567890"'),
        ("string", "false", '"false"'),
        ("number", "1.50", "1.50"),
        ("number", '"1.50"', "1.50"),
        ("number", '"9007199254740993"', "9007199254740993"),
        ("number", '"+007."', "7"),
        ("number", '"-.5e+3"', "-0.5e+3"),
        ("number", '"\\u0031"', "1"),
        ("number", '"0"', "0"),
        ("boolean", "true", "true"),
        ("boolean", '"TRUE"', "true"),
        ("boolean", '"False"', "false"),
        ("datetime", '"2026-04-25T14:32:00.5+02:00"', '"2026-04-25T14:32:00.5+02:00"'),
        ("datetime", '"2026-04-25T14:32:00"', '"2026-04-25T14:32:00"'),
        ("array", "[]", "[]"),
        ("array", "[1,{}]", "[1,{}]"),
        ("array", "null", "null"),
        ("number", "null", "null"),
    ],
)
def test_a_value_becomes_one_of_the_declared_type(type_: str, sent: str, kept: str) -> None:
    assert schema(a=type_).conform(f'{{"a":{sent}}}') == (f'{{"a":{kept}}}', [])


@pytest.mark.parametrize(
    ("type_", "sent"),
    [
        *(("string", sent) for sent in ("[]", "{}")),
        *(("number", sent) for sent in ("true", "[]", "{}", '""', '"x"', '" 1"', '"1_0"', '"nan"', '"1e999"', '"."')),
        ("number", "9" * 400),
        *(("boolean", sent) for sent in ("1", '"yes"', '""', "[]", "{}")),
        *(("datetime", sent) for sent in ("1", '"2026-04-25"', '"2026-02-30T00:00:00Z"', '"soon"', "[]", "true")),
        *(("array", sent) for sent in ("{}", '"[]"', "1", "false")),
    ],
)
def test_a_value_that_cannot_become_one_is_wrong(type_: str, sent: str) -> None:
    text = f'{{"a":{sent}}}'
    kept, [error] = schema(a=type_).conform(text)
    assert kept == text
    assert error.startswith("a: The schema of 't' wants ")


def test_every_wrong_property_is_named() -> None:
    wants = schema("order_placed", total="number!", paid="boolean", email="string!", at="datetime")
    assert wants.conform('{"total":null,"paid":1,"at":"now"}')[1] == [
        "total: Required by the schema of 'order_placed'.",
        "paid: The schema of 'order_placed' wants true or false.",
        "email: Required by the schema of 'order_placed'.",
        "at: The schema of 'order_placed' wants an RFC 3339 time, such as 2026-04-25T14:32:00Z.",
    ]


def test_a_dot_walks_into_nested_objects_and_is_never_part_of_a_key() -> None:
    wants = schema(a__b__c="number!", a__d="string")
    assert wants.conform('{"a":{"b":{"c":"5","x":1.0},"d":7}}') == ('{"a":{"b":{"c":5,"x":1.0},"d":"7"}}', [])
    missing = ["a.b.c: Required by the schema of 't'."]
    for text in ('{"a.b.c":5}', "{}", '{"a":null}', '{"a":[5]}', '{"a":{"b":5}}', '{"a":{"b.c":5}}'):
        assert wants.conform(text) == (text, missing)


def test_of_a_repeated_key_the_last_counts_and_stays() -> None:
    wants = schema(a="number!", b__c="number!")
    assert wants.conform('{"a":null,"b":{"c":[],"c":"2"},"a":"1"}') == ('{"a":1,"b":{"c":2}}', [])


def test_deep_and_many_nested_properties_are_walked_once() -> None:
    wants = schema(**{"a__" * 14 + f"x{number}": "number" for number in range(200)})
    inner = ",".join(f'"x{number}":"{number}"' for number in range(200))
    text = '{"a":' * 14 + f"{{{inner}}}" + "}" * 14
    kept, errors = wants.conform(text)
    assert errors == []
    assert kept == text.replace(':"', ":").replace('",', ",").replace('"}', "}")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _json, max_size=6))
def test_what_is_not_declared_stays_as_it_was(payload: dict[str, object]) -> None:
    text = compact(json.dumps(payload).encode()).decode()
    assert msgspec.json.decode(schema(declared="number").conform(text)[0]) == msgspec.json.decode(text)


@given(_json)
def test_what_was_made_of_a_value_is_of_the_type_and_stays(value: object) -> None:
    kinds = {"string": str, "number": int | float, "boolean": bool, "datetime": str, "array": list}
    for type_, kind in kinds.items():
        text, errors = schema(a=type_).conform(compact(json.dumps({"a": value}).encode()).decode())
        made = json.loads(text)["a"]
        if not errors and made is not None:
            assert isinstance(made, kind)
            assert schema(a=type_).conform(text) == (text, [])


def test_only_events_of_declared_types_are_looked_at() -> None:
    declared = {"order": schema("order", total="number!")}
    sent = batch(("order", '{"total":"5"}'), ("visit", '{"total":"5"}'), ("order", "{}"), ("order", '{"total":6}'))
    checked = apply(declared, sent)
    assert checked.columns.payloads == ['{"total":5}', '{"total":"5"}', '{"total":6}']
    assert checked.columns.user_ids == ["u-0", "u-1", "u-3"]
    assert checked.places == [0, 1, 3]
    [refused] = checked.refused
    assert (refused.place, refused.text) == (2, b'{"user_id":"u-2","event_type":"order"}')
    assert refused.error.fields == {"payload": ["total: Required by the schema of 'order'."]}


def test_events_refused_before_stay_refused() -> None:
    sent = batch(("order", "{}"), ("order", "1"), ("order", '{"total":1}'))
    checked = apply({"order": schema("order", total="number!")}, sent)
    assert sorted(refused.place for refused in checked.refused) == [0, 1]
    assert checked.places == [2]


def test_a_batch_without_declared_types_is_the_same_one() -> None:
    sent = batch(("visit", "{}"))
    assert apply({"order": schema("order", total="number!")}, sent) is sent

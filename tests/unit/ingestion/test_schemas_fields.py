"""Fields of a schema: every wrong one in one answer, each with its path."""

from typing import Any

import pytest

from services.ingestion.schema_fields import changed_fields, whole_schema
from services.kit.errors import Invalid

TOTAL = {"name": "total", "type": "number", "required": True}
REQUIRED = "This field is required."
TYPES = "string, number, boolean, datetime, array"


def errors_of(sent: dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(Invalid) as raised:
        whole_schema(sent)
    return raised.value.fields


def property_errors(*properties: object) -> list[str]:
    return errors_of({"event_type": "t", "properties": list(properties)})["properties"]


def test_required_is_false_when_it_is_left_out() -> None:
    sent = {"event_type": "t", "properties": [TOTAL, {"name": "a.b", "type": "array"}], "color": 1}
    assert whole_schema(sent) == {
        "event_type": "t",
        "properties": [TOTAL, {"name": "a.b", "type": "array", "required": False}],
    }


def test_a_whole_schema_needs_both_fields_and_a_change_none() -> None:
    assert errors_of({}) == {"event_type": [REQUIRED], "properties": [REQUIRED]}
    assert changed_fields({}) == {}
    assert changed_fields({"event_type": "t"}) == {"event_type": "t"}


@pytest.mark.parametrize(
    ("event_type", "error"),
    [
        ("", REQUIRED),
        (None, REQUIRED),
        (5, "Must be text, not a number."),
        ("x" * 129, "Use 128 characters or fewer."),
        ("a\n", "Control characters are not allowed."),
    ],
)
def test_an_event_type_is_what_an_event_may_have(event_type: object, error: str) -> None:
    assert errors_of({"event_type": event_type, "properties": [TOTAL]}) == {"event_type": [error]}


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        ({}, "Must be a list, not an object."),
        ("[]", "Must be a list, not text."),
        ([], "Declare 1 to 200 properties."),
        ([TOTAL] * 201, "Declare 1 to 200 properties."),
    ],
)
def test_properties_are_a_list_of_1_to_200(properties: object, error: str) -> None:
    assert errors_of({"event_type": "t", "properties": properties}) == {"properties": [error]}


def test_every_wrong_key_is_named_with_its_path() -> None:
    assert property_errors(
        {"name": "a", "type": "foo", "required": 1, "color": 2},
        TOTAL,
        {"name": "total", "type": None},
        7,
        {"name": "", "type": "array"},
        {"name": "x" * 257},
        {"name": 5, "type": "string", "required": None},
    ) == [
        f"[0].type: 'foo' is not one of {TYPES}.",
        "[0].required: Must be true or false, not a number.",
        "[0].color: unknown key",
        f"[2].type: null is not one of {TYPES}.",
        "[3]: Must be an object, not a number.",
        "[4].name: This field is required.",
        "[5].name: Use 256 characters or fewer.",
        "[5].type: this key is required",
        "[6].name: Must be text, not a number.",
        "[2].name: Repeats the one of [1].",
    ]

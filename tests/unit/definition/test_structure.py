"""Groups, keys and types of a definition."""

import json

import pytest

from services.definition import Group, Logic, leaves, parse
from services.definition.conditions import READERS
from tests.unit.definition.build import COUNT, all_of, errors


def test_a_definition_becomes_a_typed_group() -> None:
    group = parse({"logic": "OR", "conditions": [COUNT, all_of(COUNT, COUNT)]})
    assert group.logic is Logic.OR
    assert isinstance(group.conditions[1], Group)
    assert [path for path, _ in leaves(group)] == [
        "conditions[0]",
        "conditions[1].conditions[0]",
        "conditions[1].conditions[1]",
    ]


@pytest.mark.parametrize("raw", [None, True, 3, "AND", [], [COUNT]])
def test_anything_but_an_object_is_refused(raw: object) -> None:
    (text,) = errors(raw)
    assert text.startswith("must be an object, not ")


def test_missing_and_unknown_keys_are_named_with_their_path() -> None:
    assert errors({"condition": [], "": 1, "a b": 2}) == [
        "logic: this key is required",
        "conditions: this key is required",
        "condition: unknown key",
        "'': unknown key",
        "'a b': unknown key",
    ]
    assert errors(all_of({**COUNT, "colour": 1, "window_days": 7})) == ["conditions[0].colour: unknown key"]


@pytest.mark.parametrize("logic", ["and", "XOR", "", 1, None, ["AND"], {}])
def test_logic_is_and_or_or(logic: object) -> None:
    (text,) = errors({"logic": logic, "conditions": [COUNT]})
    assert text.startswith("logic: ")
    assert text.endswith("is not one of AND, OR")


def test_every_error_is_reported_at_once() -> None:
    raw = all_of(
        {"type": "event_count", "operator": "foo", "value": "3", "extra": 0},
        {"logic": "or", "conditions": [{"type": "recency", "event_type": "", "operator": "gt", "window_days": 0}, 7]},
        {"type": "nope", "anything": 1},
    )
    assert errors(raw) == [
        "conditions[0].event_type: this key is required",
        "conditions[0].operator: 'foo' is not one of eq, neq, gt, gte, lt, lte",
        "conditions[0].value: must be a number, not text",
        "conditions[0].extra: unknown key",
        "conditions[1].logic: 'or' is not one of AND, OR",
        "conditions[1].conditions[0].event_type: must be 1 to 128 characters long",
        "conditions[1].conditions[0].window_days: must be a whole number of days from 1 to 36500",
        "conditions[1].conditions[1]: must be an object, not a number",
        f"conditions[2].type: 'nope' is not one of {', '.join(READERS)}",
    ]


@pytest.mark.parametrize("kind", [None, 1, ["event_count"], {}])
def test_a_type_that_is_not_text_is_refused(kind: object) -> None:
    (text,) = errors(all_of({**COUNT, "type": kind}))
    assert text.startswith("conditions[0].type: ")


def test_an_empty_object_lacks_its_type() -> None:
    assert errors(all_of({})) == ["conditions[0].type: this key is required"]


@pytest.mark.parametrize("conditions", [None, {}, "x", 3])
def test_conditions_are_a_list(conditions: object) -> None:
    (text,) = errors({"logic": "AND", "conditions": conditions})
    assert text.startswith("conditions: must be a list, not ")


def _nested(depth: int) -> dict[str, object]:
    return all_of(COUNT) if depth == 1 else all_of(_nested(depth - 1))


def test_groups_nest_five_deep_and_no_deeper() -> None:
    parse(_nested(5))
    place = ".".join(["conditions[0]"] * 5)
    assert errors(_nested(6)) == [f"{place}: groups nest at most 5 deep"]


def test_ten_thousand_levels_are_one_error() -> None:
    raw: dict[str, object] = COUNT
    for _ in range(10_000):
        raw = all_of(raw)
    assert len(errors(raw)) == 1


def test_one_to_fifty_conditions_in_all() -> None:
    parse(all_of(*[COUNT] * 50))
    parse(all_of(*[all_of(*[COUNT] * 10)] * 5))
    assert errors(all_of()) == ["conditions: must hold 1 to 50 conditions, not 0"]
    assert errors(all_of(*[COUNT] * 51)) == ["conditions: must hold 1 to 50 conditions, not 51"]
    assert errors(all_of(*[all_of(*[COUNT] * 10)] * 5, COUNT)) == ["conditions: must hold at most 50 conditions in all"]


def test_huge_lists_and_bushes_of_empty_groups_end_early() -> None:
    assert errors(all_of(*[COUNT] * 1_000_000)) == ["conditions: must hold 1 to 50 conditions, not 1,000,000"]
    bush: dict[str, object] = all_of()
    for _ in range(4):
        bush = all_of(*[bush] * 50)
    found = errors(bush)
    assert len(found) < 60
    assert "conditions: must hold at most 50 conditions in all" in found


def test_a_flood_of_unknown_keys_stays_readable() -> None:
    found = errors(all_of({**COUNT, **{f"key{index}": 1 for index in range(100_000)}}))
    assert len(found) == 21
    assert found[-1] == "conditions[0]: 99,980 more unknown keys"
    (text,) = errors(all_of({**COUNT, "k" * 100_000: 1}))
    assert len(text) < 200


def test_all_values_together_are_limited() -> None:
    condition = {"type": "user_property", "property": "p", "operator": "in", "value": ["x" * 500] * 1_000}
    parse(all_of(condition, condition))
    assert errors(all_of(condition, condition, COUNT, {**condition, "operator": "eq", "value": "x"})) == [
        "conditions: values must have at most 1,000,000 characters in all"
    ]


def test_errors_are_plain_text_whatever_the_input() -> None:
    found = errors({"logic": "\ud800\n\0" * 50, "conditions": [{"type": "'; DROP TABLE events --"}], "\ud800": 1})
    assert json.loads(json.dumps(found)) == found
    assert all(text.isprintable() and text.encode() for text in found)

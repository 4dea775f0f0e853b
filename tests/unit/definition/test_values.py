"""The value that each operator takes."""

from datetime import UTC, datetime

import pytest

from services.definition import Operand, Operator, UserProperty
from services.definition.times import parse_time
from tests.unit.definition.build import errors_of, parsed

ORDERED_ERROR = "value: must be a number or an RFC 3339 time such as 2026-04-25T14:32:00Z"


def operands(operator: str, **keys: object) -> tuple[Operand, ...]:
    condition = parsed({"type": "user_property", "property": "plan", "operator": operator, **keys})
    assert isinstance(condition, UserProperty)
    return condition.comparison.operands


def test_an_unknown_operator_lists_all_nineteen() -> None:
    (text,) = errors_of(operator="like", value=3)
    assert text == f"operator: 'like' is not one of {', '.join(Operator)}"
    assert len(Operator) == 19


@pytest.mark.parametrize("operator", ["eq", "neq", "gt", "in", "between", "contains", "starts_with", "matches_regex"])
def test_a_value_is_required(operator: str) -> None:
    assert errors_of(operator=operator) == ["value: this key is required"]


@pytest.mark.parametrize("operator", ["is_set", "is_not_set", "is_true", "is_false"])
def test_some_operators_take_no_value(operator: str) -> None:
    assert operands(operator) == ()
    assert operands(operator, value=None, value2=None) == ()
    assert sorted(errors_of(operator=operator, value=0, value2="")) == [
        "value2: this operator takes no such value",
        "value: this operator takes no such value",
    ]


@pytest.mark.parametrize("operator", ["eq", "in", "gt", "contains"])
def test_a_second_value_belongs_to_a_range_only(operator: str) -> None:
    assert "value2: this operator takes no such value" in errors_of(operator=operator, value=[1], value2=2)


def test_equality_takes_text_numbers_and_booleans() -> None:
    assert [operands("eq", value=value) for value in ("", "x", 3.0, 2.5, True)] == [
        ("",),
        ("x",),
        (3,),
        (2.5,),
        (True,),
    ]
    others: tuple[object, ...] = (None, [1], {})
    for value in others:
        (text,) = errors_of(operator="neq", value=value)
        assert text.startswith("value: must be text, a number, true or false, not ")


@pytest.mark.parametrize("operator", ["contains", "does_not_contain", "starts_with", "ends_with"])
def test_parts_are_text_or_numbers(operator: str) -> None:
    assert operands(operator, value="a") == ("a",)
    assert operands(operator, value=12.0) == (12,)
    assert errors_of(operator=operator, value=True) == ["value: must be text, not true or false"]


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
def test_ordering_takes_a_number_or_a_time(operator: str) -> None:
    assert operands(operator, value=1.5) == (1.5,)
    assert operands(operator, value="2026-01-01T02:00:00.25+02:00") == (datetime(2026, 1, 1, 0, 0, 0, 250_000, UTC),)
    for value in ("12", "2026-01-01", "", "soon", True, None, [1]):
        assert errors_of(operator=operator, value=value) == [ORDERED_ERROR]


def test_a_range_is_a_pair_or_two_keys() -> None:
    assert operands("between", value=[1, 2.0]) == (1, 2)
    assert operands("not_between", value=1, value2=2) == (1, 2)
    assert operands("between", value=[1, 2], value2=None) == (1, 2)
    assert len(operands("between", value=["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"])) == 2


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"value": [1]}, ["value: must be a list [low, high], or low with high in value2"]),
        ({"value": [1, 2, 3]}, ["value: must be a list [low, high], or low with high in value2"]),
        ({"value": 1}, ["value: must be a list [low, high], or low with high in value2"]),
        ({"value": ["a", None]}, [ORDERED_ERROR.replace("value", f"value[{index}]") for index in (0, 1)]),
        ({"value": [1, "2026-01-01T00:00:00Z"]}, ["value: must be two numbers or two times"]),
        ({"value": [1, 2], "value2": 2}, [ORDERED_ERROR]),
        ({"value": "a", "value2": "b"}, [ORDERED_ERROR, ORDERED_ERROR.replace("value", "value2")]),
        ({"value2": 2}, ["value: this key is required"]),
        (
            {"value": 1, "value2": "2026-01-01T00:00:00Z"},
            ["value2: must be of the same kind as value: two numbers or two times"],
        ),
    ],
)
def test_a_malformed_range_is_refused(keys: dict[str, object], expected: list[str]) -> None:
    assert errors_of(operator="between", **keys) == expected


def test_a_list_has_1_to_1000_entries() -> None:
    assert operands("in", value=["a", 1.0, True]) == ("a", 1, True)
    assert len(operands("not_in", value=list(range(1_000)))) == 1_000
    assert errors_of(operator="in", value=[]) == ["value: must have 1 to 1,000 entries, not 0"]
    assert errors_of(operator="in", value=["x"] * 1_001) == ["value: must have 1 to 1,000 entries, not 1,001"]
    assert errors_of(operator="in", value="a") == ["value: must be a list, not text"]
    assert errors_of(operator="in", value=["a", None, [1]]) == [
        "value[1]: must be text, a number, true or false, not null",
        "value[2]: must be text, a number, true or false, not a list",
    ]


def test_text_is_limited() -> None:
    assert operands("eq", value="x" * 4096)
    assert errors_of(operator="eq", value="x" * 4097) == ["value: must be at most 4,096 characters long"]
    assert errors_of(operator="eq", value="\udfff") == ["value: must be valid Unicode text"]


def test_a_pattern_is_re2() -> None:
    assert operands("matches_regex", value="^a.*(b|c)$") == ("^a.*(b|c)$",)
    for pattern in ("(", "[", "(?=a)", r"(a)\1", "a{1,2000}", "((a{100}){100}){100}"):
        (text,) = errors_of(operator="matches_regex", value=pattern)
        assert text.startswith("value: is not an RE2 pattern: ")
    assert errors_of(operator="matches_regex", value="a" * 1_001) == ["value: must be at most 1,000 characters long"]
    assert errors_of(operator="matches_regex", value=5) == ["value: must be text, not a number"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-25T14:32:00Z", datetime(2026, 4, 25, 14, 32, tzinfo=UTC)),
        ("2026-04-25 14:32:00", datetime(2026, 4, 25, 14, 32, tzinfo=UTC)),
        ("2026-04-25t14:32:00.1234567z", datetime(2026, 4, 25, 14, 32, 0, 123_456, UTC)),
        ("2026-04-25T00:30:00+01:00", datetime(2026, 4, 24, 23, 30, tzinfo=UTC)),
        ("2026-04-25T00:30:00.5-00:30", datetime(2026, 4, 25, 1, 0, 0, 500_000, UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_time_is_rfc_3339_in_any_offset(text: str, expected: datetime) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-04-25", "2026-04-25T14:32Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-01:00", "2026-01-01T00:00:00Z\n", "٢٠٢٦-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_other_texts_are_no_times(text: str) -> None:
    assert parse_time(text) is None

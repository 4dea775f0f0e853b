"""Whether one JSON value satisfies an operator."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import re2  # type: ignore[import-untyped]

from services.definition import Comparison, Operand, Operator
from tests.oracle.values import MISSING, number_of, text_of, time_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def satisfies(value: object, comparison: Comparison) -> bool:
    """Whether the value, or MISSING, satisfies the comparison."""
    return TESTS[comparison.operator](value, comparison.operands)


def operand_text(operand: Operand) -> str:
    """The text form of an operand."""
    text = text_of(operand)
    assert text is not None
    return text


def equals(value: object, operand: Operand) -> bool:
    """A number compares with numbers, everything else with text forms."""
    if isinstance(operand, int | float) and not isinstance(operand, bool):
        return number_of(value) == operand
    return text_of(value) == operand_text(operand)


def at_least(value: object, operand: Operand) -> bool:
    """`value >= operand`, for two numbers or two times."""
    pair = ordered_pair(value, operand)
    return pair is not None and pair[0] >= pair[1]


def at_most(value: object, operand: Operand) -> bool:
    """`value <= operand`, for two numbers or two times."""
    pair = ordered_pair(value, operand)
    return pair is not None and pair[0] <= pair[1]


def ordered_pair(value: object, operand: Operand) -> tuple[float, float] | tuple[int, int] | None:
    """Both as numbers, or both as microseconds since 1970; None when they do not order."""
    if isinstance(operand, datetime):
        moment = time_of(value)
        return None if moment is None else (moment, (operand - EPOCH) // timedelta(microseconds=1))
    number = number_of(value)
    assert isinstance(operand, int | float)
    return None if number is None else (number, operand)


def contains(value: object, operand: Operand) -> bool:
    """Membership in a list; a part of the text form of anything else."""
    if isinstance(value, list):
        return any(equals(_as_element(item), operand) for item in value)
    text = text_of(value)
    return text is not None and operand_text(operand) in text


def _as_element(item: object) -> object:
    """Minus zero loses its sign in a list."""
    return 0 if isinstance(item, float) and item == 0 else item


def is_set(value: object) -> bool:
    """Present and not null."""
    return value is not MISSING and value is not None


def matches(value: object, pattern: Operand) -> bool:
    """Whether the pattern is found anywhere in the text form."""
    text = text_of(value)
    return text is not None and re2.search(pattern, text) is not None


def between(value: object, low: Operand, high: Operand) -> bool:
    """Inclusive on both sides."""
    return at_least(value, low) and at_most(value, high)


TESTS: dict[Operator, Callable[[object, tuple[Operand, ...]], bool]] = {
    Operator.EQ: lambda value, wanted: equals(value, wanted[0]),
    Operator.NEQ: lambda value, wanted: not equals(value, wanted[0]),
    Operator.IN: lambda value, wanted: any(equals(value, one) for one in wanted),
    Operator.NOT_IN: lambda value, wanted: not any(equals(value, one) for one in wanted),
    Operator.GTE: lambda value, wanted: at_least(value, wanted[0]),
    Operator.LTE: lambda value, wanted: at_most(value, wanted[0]),
    Operator.GT: lambda value, wanted: at_least(value, wanted[0]) and not at_most(value, wanted[0]),
    Operator.LT: lambda value, wanted: at_most(value, wanted[0]) and not at_least(value, wanted[0]),
    Operator.BETWEEN: lambda value, wanted: between(value, wanted[0], wanted[1]),
    Operator.NOT_BETWEEN: lambda value, wanted: not between(value, wanted[0], wanted[1]),
    Operator.CONTAINS: lambda value, wanted: contains(value, wanted[0]),
    Operator.DOES_NOT_CONTAIN: lambda value, wanted: not contains(value, wanted[0]),
    Operator.STARTS_WITH: lambda value, wanted: (
        (text_of(value) or "").startswith(operand_text(wanted[0])) and text_of(value) is not None
    ),
    Operator.ENDS_WITH: lambda value, wanted: (
        (text_of(value) or "").endswith(operand_text(wanted[0])) and text_of(value) is not None
    ),
    Operator.MATCHES_REGEX: lambda value, wanted: matches(value, wanted[0]),
    Operator.IS_SET: lambda value, _: is_set(value),
    Operator.IS_NOT_SET: lambda value, _: not is_set(value),
    Operator.IS_TRUE: lambda value, _: value is True or value == "true",
    Operator.IS_FALSE: lambda value, _: value is False or value == "false",
}

"""Reading operator, value and value2 of a condition: which values each operator takes."""

from collections.abc import Callable
from typing import TypeVar

import re2  # type: ignore[import-untyped]

from services.definition.fields import Fields
from services.definition.model import Comparison, Operand
from services.definition.operators import LISTS, ORDERING, RANGES, SUBSTRINGS, WITHOUT_VALUE, Operator
from services.definition.problems import kind, wrong
from services.definition.times import parse_time
from services.definition.values import list_of, number, one_of, text

T = TypeVar("T")

MOST_LIST_ENTRIES = 1_000
LONGEST_PATTERN = 1_000

_RE2 = re2.Options()
_RE2.log_errors = False
_RE2.max_mem = 4 << 20  # bytes; half of what the warehouse's RE2 has, so that what compiles here compiles there


def comparison(fields: Fields, operators: tuple[Operator, ...]) -> Comparison:
    """The comparison in an object's `operator`, `value` and `value2`."""
    operator = fields.tried("operator", one_of(operators))
    if operator is None:
        fields.skip("value", "value2")
        return Comparison(operator=operators[0])
    return Comparison(operator=operator, operands=_operands(fields, operator))


def numeric_comparison(fields: Fields, operators: tuple[Operator, ...]) -> tuple[Operator, tuple[int | float, ...]]:
    """The same where only numbers compare: the operator with one number, or two for a range."""
    operator = fields.tried("operator", one_of(operators))
    if operator is None:
        fields.skip("value", "value2")
        return operators[0], ()
    if operator in RANGES:
        return operator, _range(fields, number)
    fields.optional("value2", _no_value)
    return operator, (fields.required("value", number),)


def _operands(fields: Fields, operator: Operator) -> tuple[Operand, ...]:
    if operator in RANGES:
        return _range(fields, _ordered)
    fields.optional("value2", _no_value)
    if operator in WITHOUT_VALUE:
        fields.optional("value", _no_value)
        return ()
    if operator in LISTS:
        return fields.required("value", _entries)
    if operator in ORDERING:
        return (fields.required("value", _ordered),)
    if operator is Operator.MATCHES_REGEX:
        return (fields.required("value", _pattern),)
    return (fields.required("value", _text_or_number if operator in SUBSTRINGS else _scalar),)


def _range(fields: Fields, read: Callable[[object], T]) -> tuple[T, ...]:
    """`value: [low, high]`, or `value` and `value2`; both numbers or both times."""
    if not fields.gives("value2"):
        fields.skip("value2")
        return fields.required("value", _pair_of(read))
    low, high = fields.tried("value", read), fields.tried("value2", read)
    if low is None or high is None:
        return ()
    if isinstance(low, int | float) != isinstance(high, int | float):
        fields.note("value2", "must be of the same kind as value: two numbers or two times")
    return (low, high)


def _no_value(value: object) -> None:
    raise wrong("this operator takes no such value")


def _scalar(value: object) -> Operand:
    if isinstance(value, bool | str):
        return value if isinstance(value, bool) else text(value)
    if isinstance(value, int | float):
        return number(value)
    raise wrong(f"must be text, a number, true or false, not {kind(value)}")


def _text_or_number(value: object) -> Operand:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else text(value)


def _ordered(value: object) -> Operand:
    if isinstance(value, str):
        moment = parse_time(value)
        if moment is not None:
            return moment
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    raise wrong("must be a number or an RFC 3339 time such as 2026-04-25T14:32:00Z")


def _pair_of(read: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    def pair(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) != 2:
            raise wrong("must be a list [low, high], or low with high in value2")
        low, high = list_of(read, value)
        if isinstance(low, int | float) != isinstance(high, int | float):
            raise wrong("must be two numbers or two times")
        return (low, high)

    return pair


def _entries(value: object) -> tuple[Operand, ...]:
    if not isinstance(value, list):
        raise wrong(f"must be a list, not {kind(value)}")
    if not 1 <= len(value) <= MOST_LIST_ENTRIES:
        raise wrong(f"must have 1 to {MOST_LIST_ENTRIES:,} entries, not {len(value):,}")
    return list_of(_scalar, value)


def _pattern(value: object) -> str:
    pattern = text(value)
    if len(pattern) > LONGEST_PATTERN:
        raise wrong(f"must be at most {LONGEST_PATTERN:,} characters long")
    try:
        re2.compile(pattern, _RE2)
    except re2.error as failure:
        reason = failure.args[0]
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise wrong(f"is not an RE2 pattern: {words}") from None
    return pattern

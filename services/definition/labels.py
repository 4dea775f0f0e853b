"""Conditions as people read them, and what they ask for."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from services.definition.model import (
    Comparison,
    Condition,
    EventCount,
    EventProperty,
    EventSequence,
    Monetary,
    Operand,
    Recency,
    SegmentMembership,
    UserProperty,
)
from services.definition.operators import LISTS, RANGES, WITHOUT_VALUE, Operator

# Longer lists and texts are shown by how they begin.
SHOWN_ENTRIES = 10
SHOWN_CHARACTERS = 60

TYPES: Mapping[type[object], str] = {
    EventCount: "event_count",
    Recency: "recency",
    Monetary: "monetary",
    EventProperty: "event_property",
    UserProperty: "user_property",
    EventSequence: "event_sequence",
    SegmentMembership: "segment_membership",
}
NUMBERS = {
    Operator.EQ: "=",
    Operator.NEQ: "!=",
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.BETWEEN: "between",
    Operator.NOT_BETWEEN: "not between",
}
PROPERTIES = {
    Operator.EQ: "is",
    Operator.NEQ: "is not",
    Operator.GT: "is greater than",
    Operator.GTE: "is at least",
    Operator.LT: "is less than",
    Operator.LTE: "is at most",
    Operator.BETWEEN: "is between",
    Operator.NOT_BETWEEN: "is not between",
    Operator.IN: "is one of",
    Operator.NOT_IN: "is none of",
    Operator.CONTAINS: "contains",
    Operator.DOES_NOT_CONTAIN: "does not contain",
    Operator.STARTS_WITH: "starts with",
    Operator.ENDS_WITH: "ends with",
    Operator.MATCHES_REGEX: "matches",
    Operator.IS_SET: "is set",
    Operator.IS_NOT_SET: "is not set",
    Operator.IS_TRUE: "is true",
    Operator.IS_FALSE: "is false",
}
TIMES = {
    Operator.GT: "is after",
    Operator.GTE: "is at or after",
    Operator.LT: "is before",
    Operator.LTE: "is at or before",
}


def label(condition: Condition, names: Mapping[int, str]) -> str:
    """The condition in words; `names` are those of the segments it may refer to."""
    match condition:
        case EventCount():
            subject = f"count({condition.event_type}){_window(condition.window_days)}"
            return f"{subject} {_numbers(condition.operator, [condition.value])}"
        case Recency():
            return f"last {condition.event_type} {_ago(condition)}"
        case Monetary():
            subject = f"{condition.metric}({condition.event_type}.{condition.property}){_window(condition.window_days)}"
            return f"{subject} {_numbers(condition.operator, condition.limits)}"
        case EventProperty():
            return f"{condition.property} of the latest {condition.event_type} {_compared(condition.comparison)}"
        case UserProperty():
            return f"{condition.property} of the user {_compared(condition.comparison)}"
        case EventSequence():
            directly = " directly" if condition.strict else ""
            return f"{f'{directly} then '.join(condition.events)} within {_days(condition.window_days)}"
        case SegmentMembership():
            known = names.get(condition.segment_id)
            name = f'"{known}"' if known is not None else str(condition.segment_id)
            return f"{'in' if condition.operator is Operator.IN else 'not in'} segment {name}"


def threshold(condition: Condition) -> object:
    """What the condition asks for, as JSON: a number, days, text, a list or true and false; None where nothing is."""
    match condition:
        case EventCount():
            return condition.value
        case Recency() | EventSequence():
            return condition.window_days
        case Monetary():
            return _one_or_all(condition.operator, condition.limits)
        case EventProperty() | UserProperty():
            comparison = condition.comparison
            return _one_or_all(comparison.operator, [_json(operand) for operand in comparison.operands])
        case SegmentMembership():
            return condition.operator is Operator.IN


def _one_or_all(operator: Operator, operands: Sequence[object]) -> object:
    if operator in RANGES or operator in LISTS:
        return list(operands)
    return operands[0] if operands else None


def _window(days: int | None) -> str:
    return "" if days is None else f" in the last {_days(days)}"


def _days(days: int) -> str:
    return f"{days} day{'s' if days > 1 else ''}"


def _ago(condition: Recency) -> str:
    days = _days(condition.window_days)
    match condition.operator:
        case Operator.GT:
            return f"more than {days} ago"
        case Operator.LT:
            return f"less than {days} ago"
        case _:
            return f"{days} ago"


def _numbers(operator: Operator, limits: Sequence[float]) -> str:
    return f"{NUMBERS[operator]} {' and '.join(str(limit) for limit in limits)}"


def _compared(comparison: Comparison) -> str:
    operator, operands = comparison.operator, comparison.operands
    if operator in WITHOUT_VALUE:
        return PROPERTIES[operator]
    words = TIMES.get(operator, PROPERTIES[operator]) if isinstance(operands[0], datetime) else PROPERTIES[operator]
    if operator in RANGES:
        return f"{words} {' and '.join(map(_shown, operands))}"
    more = f" and {len(operands) - SHOWN_ENTRIES:,} more" if len(operands) > SHOWN_ENTRIES else ""
    return f"{words} {', '.join(map(_shown, operands[:SHOWN_ENTRIES]))}{more}"


def _shown(operand: Operand) -> str:
    """Text as it is, in quotation marks where its ends could not be seen."""
    value = _json(operand)
    if not isinstance(value, str):
        return json.dumps(value)
    text = value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}..."
    return text if text and text.isprintable() and not set(text) & set(' ,"') else json.dumps(text, ensure_ascii=False)


def _json(operand: Operand) -> object:
    return operand.isoformat().replace("+00:00", "Z") if isinstance(operand, datetime) else operand

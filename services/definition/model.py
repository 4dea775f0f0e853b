"""The segment definition as typed, frozen values."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import TypeVar

from services.definition.operators import Operator

T = TypeVar("T")

# A datetime stands only under ordering operators, is aware and in UTC.
Operand = str | bool | int | float | datetime


class Logic(StrEnum):
    """How the conditions of a group join."""

    AND = "AND"
    OR = "OR"


class Metric(StrEnum):
    """How the numbers of a monetary condition become one."""

    SUM = "sum"
    AVG = "avg"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """An operator with its operands: none, one, (low, high) for a range, one or more for a list."""

    operator: Operator
    operands: tuple[Operand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCount:
    """The number of a user's events of one type, in the last `window_days` if given."""

    event_type: str
    operator: Operator
    value: int | float
    window_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recency:
    """The time since a user's last event of one type."""

    event_type: str
    operator: Operator
    window_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Monetary:
    """An aggregate over the numbers in a property of a user's events of one type; `limits` are one, or (low, high)."""

    event_type: str
    property: str
    metric: Metric
    operator: Operator
    limits: tuple[int | float, ...]
    window_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventProperty:
    """A property of a user's latest event of one type."""

    event_type: str
    property: str
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class UserProperty:
    """A property in a user's current property set."""

    property: str
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSequence:
    """Steps that a user did in this order, each strictly later than the one before, all within `window_days`.

    `strict`: the user did nothing else between two steps.
    """

    events: tuple[str, ...]
    window_days: int
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMembership:
    """Whether a user is in the stored membership of another segment, or not."""

    segment_id: int
    operator: Operator


Condition = EventCount | Recency | Monetary | EventProperty | UserProperty | EventSequence | SegmentMembership


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Conditions and nested groups joined by one logic."""

    logic: Logic
    conditions: "tuple[Condition | Group, ...]"


def fold(group: Group, leaf: Callable[[str, Condition], T], join: Callable[[Logic, list[T]], T], path: str = "") -> T:
    """One value for the whole tree: `leaf(path, condition)` for each condition, in order, joined group by group."""
    values = []
    for index, node in enumerate(group.conditions):
        place = f"{path}conditions[{index}]"
        values.append(fold(node, leaf, join, f"{place}.") if isinstance(node, Group) else leaf(place, node))
    return join(group.logic, values)


def leaves(group: Group) -> Iterator[tuple[str, Condition]]:
    """Every condition of the tree with its path, such as `conditions[1].conditions[0]`, in order."""
    yield from fold(group, lambda path, condition: [(path, condition)], lambda _, parts: list(chain(*parts)))

"""Each type of condition as a test. A new type is a function here and a case in `compile_condition`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from services.definition import (
    Condition,
    EventCount,
    EventProperty,
    EventSequence,
    Metric,
    Monetary,
    Operator,
    Recency,
    SegmentMembership,
    UserProperty,
)
from services.warehouse.compiler import literals
from services.warehouse.compiler.comparisons import Property, order, satisfies
from services.warehouse.compiler.sequences import Steps
from services.warehouse.compiler.sources import IS_MEMBER, Changes, Events, Properties, Test

# A hundred million numbers below this add up to less than 1e20.
SMALL = "1e12"
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a definition is evaluated: at `now`, in the `past` or not, after which run of each segment it refers to."""

    now: datetime
    past: bool
    runs: Mapping[int, int]

    @classmethod
    def at(cls, now: datetime, *, past: bool, runs: Mapping[int, int]) -> Self:
        """The moment of an aware datetime."""
        if now.tzinfo is None:
            raise ValueError("now must have a time zone")
        # Events carry milliseconds: what happened up to `now` happened up to its last whole millisecond.
        return cls(now=now.replace(microsecond=now.microsecond // 1000 * 1000), past=past, runs=runs)

    @property
    def until(self) -> datetime | None:
        """What happened later does not count, where given."""
        return self.now if self.past else None


def compile_condition(condition: Condition, at: Moment, bit: int) -> Test | Steps:
    """The condition at a moment; `bit` tells the columns of a sequence from those of others."""
    match condition:
        case EventCount():
            return _event_count(condition, at.now)
        case Recency():
            return _recency(condition, at.now)
        case Monetary():
            return _monetary(condition, at.now)
        case EventProperty():
            return _event_property(condition)
        case UserProperty():
            return _user_property(condition, at.past)
        case EventSequence():
            return Steps(condition, str(bit))
        case SegmentMembership():
            return _segment_membership(condition, at.runs)


def window_start(days: int | None, now: datetime) -> datetime | None:
    """When a window opens; None without one."""
    return None if days is None else days_before(now, days)


def days_before(now: datetime, days: int) -> datetime:
    """The instant so many days before another, or the first that there is."""
    return now - min(timedelta(days=days), now - FIRST_INSTANT)


def in_window(start: datetime | None, now: datetime, since: datetime | None) -> str:
    """Whether one of the events after `since` lies in the window that opens at `start`; empty when there is none."""
    if start is None:
        return ""
    until = f"occurred_at <= {literals.milliseconds(now)}"
    return until if start == since else f"occurred_at > {literals.milliseconds(start)} AND {until}"


def _always(sql: str) -> Callable[[], str]:
    """A test that is made of no aggregates."""
    return lambda: sql


def _event_count(condition: EventCount, now: datetime) -> Test:
    start = window_start(condition.window_days, now)

    def aggregates(since: datetime | None) -> tuple[str]:
        window = in_window(start, now, since)
        return (f"countIf({window})" if window else "count()",)

    return Test(
        source=Events((condition.event_type,)),
        aggregates=aggregates,
        check=lambda count: order(count, condition.operator, [literals.number(condition.value)]),
        absent=_zero(condition.operator, condition.value),
        since=start,
    )


def _zero(operator: Operator, value: int | float) -> bool:
    """Whether a count of zero satisfies the operator."""
    answers = {
        Operator.EQ: value == 0,
        Operator.NEQ: value != 0,
        Operator.GT: value < 0,
        Operator.GTE: value <= 0,
        Operator.LT: value > 0,
        Operator.LTE: value >= 0,
    }
    return answers[operator]


def _recency(condition: Recency, now: datetime) -> Test:
    """Elapsed time is more or less than N days, or N whole days have passed and not N + 1."""
    limit = days_before(now, condition.window_days)
    at, day_before = literals.milliseconds(limit), literals.milliseconds(days_before(limit, 1))

    def check(last: str) -> str:
        match condition.operator:
            case Operator.LT:
                return f"{last} > {at}"
            case Operator.GT:
                return f"{last} < {at}"
            case _:
                return f"{last} > {day_before} AND {last} <= {at}"

    return Test(
        source=Events((condition.event_type,)),
        aggregates=lambda since: ("max(occurred_at)",),
        check=check,
        since=limit if condition.operator is Operator.LT else None,
    )


def _monetary(condition: Monetary, now: datetime) -> Test:
    """NULL, which is false, where there was no number, also for the negative operators."""
    start = window_start(condition.window_days, now)

    def aggregates(since: datetime | None) -> tuple[str, ...]:
        window = in_window(start, now, since)
        return _aggregates(condition, "If", f", {window}") if window else _aggregates(condition, "", "")

    def check(subject: str, count: str = "") -> str:
        limits = _limits(condition, count)
        if condition.operator is Operator.NOT_BETWEEN:
            return f"NOT ({order(subject, Operator.BETWEEN, limits)})"
        return order(subject, condition.operator, limits)

    return Test(source=Events((condition.event_type,)), aggregates=aggregates, check=check, since=start)


def _aggregates(condition: Monetary, suffix: str, extra: str) -> tuple[str, ...]:
    """What is compared, of a mean the sum and the count; `suffix` and `extra` make the functions look at a window."""
    value = number_in_event(condition)
    if condition.metric in (Metric.MAX, Metric.MIN):
        return (f"{condition.metric}{suffix}(ifNotFinite({value}, NULL){extra})",)
    # Exact, as decimals. Those of 128 bits take half as long, but hold a sum only while it is below 1e20.
    is_small, text = f"abs({value}) < {SMALL}", f"toString({value})"
    small = f"if({is_small}, toDecimal128OrNull({text}, {literals.SCALE}), NULL){extra}"
    large = f"if({is_small}, NULL, toDecimal256OrNull({text}, {literals.SCALE})){extra}"
    both = [f"sum{suffix}({small})", f"sum{suffix}({large})"]
    total = f"coalesce({' + '.join(both)}, {', '.join(both)})"
    if condition.metric is Metric.SUM:
        return (total,)
    return total, f"(count{suffix}({small}) + count{suffix}({large}))"


def number_in_event(condition: Monetary) -> str:
    """The number in an event, NULL where there is none; it may be infinite."""
    return f"toFloat64OrNull({Property('payload', condition.property).text})"


def _limits(condition: Monetary, count: str) -> list[str]:
    """What is compared with."""
    if condition.metric in (Metric.MAX, Metric.MIN):
        return [literals.number(limit) for limit in condition.limits]
    limits = [literals.decimal(limit) for limit in condition.limits]
    # A mean is compared without dividing, so that no rounding decides.
    return [f"{limit} * {count}" for limit in limits] if condition.metric is Metric.AVG else limits


def _event_property(condition: EventProperty) -> Test:
    prop = Property("latest", condition.property)
    source = Events((condition.event_type,))
    return Test(source=source, check=_always(satisfies(prop, condition.comparison)), latest=True)


def _user_property(condition: UserProperty, past: bool) -> Test:
    negative = condition.comparison.operator.complement_of is not None
    if past:
        # The table of property sets holds the current ones; the events know the one of that time.
        prop = Property("latest", condition.property)
        source = Events(("context_identified",))
        return Test(source=source, check=_always(satisfies(prop, condition.comparison)), absent=negative, latest=True)
    prop = Property("payload", condition.property)
    return Test(source=Properties(), check=_always(satisfies(prop, condition.comparison)), absent=negative)


def _segment_membership(condition: SegmentMembership, runs: Mapping[int, int]) -> Test:
    source = Changes(condition.segment_id, runs.get(condition.segment_id, 0))
    if condition.operator is Operator.IN:
        return Test(source=source, check=_always(IS_MEMBER))
    return Test(source=source, check=_always(f"NOT ({IS_MEMBER})"), absent=True)

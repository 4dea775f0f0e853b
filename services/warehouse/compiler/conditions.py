"""Each type of condition as a test. A new type is a function here and a case in `compile_condition`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

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


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a definition is evaluated: at `now`, in the `past` or not, after which run of each segment it refers to."""

    now: datetime
    past: bool
    runs: Mapping[int, int]


def compile_condition(condition: Condition, at: Moment, bit: int) -> Test | Steps:
    """The condition at a moment; `bit` is its number within the definition."""
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


def _start(days: int | None, now: datetime) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


def _window(start: datetime | None, now: datetime, since: datetime | None) -> str:
    """Whether one of the events after `since` lies in the window that opens at `start`; empty when there is none."""
    if start is None:
        return ""
    until = f"occurred_at <= {literals.milliseconds(now)}"
    return until if start == since else f"occurred_at > {literals.milliseconds(start)} AND {until}"


def _always(sql: str) -> Callable[[datetime | None], str]:
    """A test that reads the same over any rows."""
    return lambda since: sql


def _event_count(condition: EventCount, now: datetime) -> Test:
    start = _start(condition.window_days, now)

    def sql(since: datetime | None) -> str:
        window = _window(start, now, since)
        count = f"countIf({window})" if window else "count()"
        return order(count, condition.operator, [literals.number(condition.value)])

    absent = _zero(condition.operator, condition.value)
    return Test(source=Events((condition.event_type,)), sql=sql, absent=absent, since=start)


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
    source, last = Events((condition.event_type,)), "max(occurred_at)"
    limit = now - timedelta(days=condition.window_days)
    at = literals.milliseconds(limit)
    match condition.operator:
        case Operator.LT:
            return Test(source=source, sql=_always(f"{last} > {at}"), since=limit)
        case Operator.GT:
            return Test(source=source, sql=_always(f"{last} < {at}"))
        case _:
            day_before = literals.milliseconds(limit - timedelta(days=1))
            return Test(source=source, sql=_always(f"{last} > {day_before} AND {last} <= {at}"))


def _monetary(condition: Monetary, now: datetime) -> Test:
    """NULL, which is false, where there was no number, also for the negative operators."""
    start = _start(condition.window_days, now)

    def sql(since: datetime | None) -> str:
        window = _window(start, now, since)
        suffix, extra = ("If", f", {window}") if window else ("", "")
        subject, limits = _aggregate(condition, suffix, extra)
        if condition.operator is Operator.NOT_BETWEEN:
            return f"NOT ({order(subject, Operator.BETWEEN, limits)})"
        return order(subject, condition.operator, limits)

    return Test(source=Events((condition.event_type,)), sql=sql, since=start)


def _aggregate(condition: Monetary, suffix: str, extra: str) -> tuple[str, list[str]]:
    """The aggregate and the limits it is compared with; `suffix` and `extra` make its functions look at a window."""
    value = f"toFloat64OrNull({Property('payload', condition.property).text})"
    if condition.metric in (Metric.MAX, Metric.MIN):
        limits = [literals.number(limit) for limit in condition.limits]
        return f"{condition.metric}{suffix}(ifNotFinite({value}, NULL){extra})", limits
    # Exact, as decimals. Those of 128 bits take half as long, but hold a sum only while it is below 1e20.
    is_small, text = f"abs({value}) < {SMALL}", f"toString({value})"
    small = f"if({is_small}, toDecimal128OrNull({text}, {literals.SCALE}), NULL){extra}"
    large = f"if({is_small}, NULL, toDecimal256OrNull({text}, {literals.SCALE})){extra}"
    both = [f"sum{suffix}({small})", f"sum{suffix}({large})"]
    limits = [literals.decimal(limit) for limit in condition.limits]
    if condition.metric is Metric.AVG:
        # Compared without dividing, so that no rounding decides.
        count = f"(count{suffix}({small}) + count{suffix}({large}))"
        limits = [f"{limit} * {count}" for limit in limits]
    return f"coalesce({' + '.join(both)}, {', '.join(both)})", limits


def _event_property(condition: EventProperty) -> Test:
    prop = Property("latest", condition.property)
    source = Events((condition.event_type,))
    return Test(source=source, sql=_always(satisfies(prop, condition.comparison)), latest=True)


def _user_property(condition: UserProperty, past: bool) -> Test:
    negative = condition.comparison.operator.complement_of is not None
    if past:
        # The table of property sets holds the current ones; the events know the one of that time.
        prop = Property("latest", condition.property)
        source = Events(("context_identified",))
        return Test(source=source, sql=_always(satisfies(prop, condition.comparison)), absent=negative, latest=True)
    prop = Property("payload", condition.property)
    return Test(source=Properties(), sql=_always(satisfies(prop, condition.comparison)), absent=negative)


def _segment_membership(condition: SegmentMembership, runs: Mapping[int, int]) -> Test:
    source = Changes(condition.segment_id, runs.get(condition.segment_id, 0))
    if condition.operator is Operator.IN:
        return Test(source=source, sql=_always(IS_MEMBER))
    return Test(source=source, sql=_always(f"NOT ({IS_MEMBER})"), absent=True)

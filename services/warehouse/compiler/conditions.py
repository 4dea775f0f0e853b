"""Each type of condition as a test. A new type is a function here and a case in `compile_condition`."""

from datetime import datetime, timedelta

from services.definition import (
    Condition,
    EventCount,
    EventProperty,
    Metric,
    Monetary,
    Operator,
    Recency,
    UserProperty,
)
from services.warehouse.compiler import literals
from services.warehouse.compiler.comparisons import Property, order, satisfies
from services.warehouse.compiler.sources import Events, Properties, Test


def compile_condition(condition: Condition, now: datetime) -> Test:
    """The condition at the instant `now`."""
    match condition:
        case EventCount():
            return _event_count(condition, now)
        case Recency():
            return _recency(condition, now)
        case Monetary():
            return _monetary(condition, now)
        case EventProperty():
            return _event_property(condition)
        case UserProperty():
            return _user_property(condition)


def _since(days: int | None, now: datetime) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


def _window(since: datetime | None, now: datetime) -> str:
    """Whether an event lies in the window; empty when there is none."""
    if since is None:
        return ""
    return f"occurred_at > {literals.milliseconds(since)} AND occurred_at <= {literals.milliseconds(now)}"


def _event_count(condition: EventCount, now: datetime) -> Test:
    since = _since(condition.window_days, now)
    window = _window(since, now)
    count = f"countIf({window})" if window else "count()"
    return Test(
        source=Events(condition.event_type),
        sql=order(count, condition.operator, [literals.number(condition.value)]),
        absent=_zero(condition.operator, condition.value),
        since=since,
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
    source, last = Events(condition.event_type), "max(occurred_at)"
    limit = now - timedelta(days=condition.window_days)
    at = literals.milliseconds(limit)
    match condition.operator:
        case Operator.LT:
            return Test(source=source, sql=f"{last} > {at}", since=limit)
        case Operator.GT:
            return Test(source=source, sql=f"{last} < {at}")
        case _:
            day_before = literals.milliseconds(limit - timedelta(days=1))
            return Test(source=source, sql=f"{last} > {day_before} AND {last} <= {at}")


def _monetary(condition: Monetary, now: datetime) -> Test:
    """NULL, which is false, where there was no number, also for the negative operators."""
    since = _since(condition.window_days, now)
    window = _window(since, now)
    suffix, extra = ("If", f", {window}") if window else ("", "")
    value = f"toFloat64OrNull({Property('payload', condition.property).text})"
    if condition.metric in (Metric.MAX, Metric.MIN):
        subject = f"{condition.metric}{suffix}(ifNotFinite({value}, NULL){extra})"
        limits = [literals.number(limit) for limit in condition.limits]
    else:
        exact = f"toDecimal256OrNull(toString({value}), {literals.SCALE})"
        subject = f"sum{suffix}({exact}{extra})"
        limits = [literals.decimal(limit) for limit in condition.limits]
        if condition.metric is Metric.AVG:
            # Compared without dividing, so that no rounding decides.
            limits = [f"{limit} * count{suffix}({exact}{extra})" for limit in limits]
    if condition.operator is Operator.NOT_BETWEEN:
        sql = f"NOT ({order(subject, Operator.BETWEEN, limits)})"
    else:
        sql = order(subject, condition.operator, limits)
    return Test(source=Events(condition.event_type), sql=sql, since=since)


def _event_property(condition: EventProperty) -> Test:
    prop = Property("latest", condition.property)
    return Test(source=Events(condition.event_type), sql=satisfies(prop, condition.comparison), latest=True)


def _user_property(condition: UserProperty) -> Test:
    negative = condition.comparison.operator.complement_of is not None
    prop = Property("payload", condition.property)
    return Test(source=Properties(), sql=satisfies(prop, condition.comparison), absent=negative)

"""Who matches a definition at an instant, one user and one condition at a time."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext

from services.definition import (
    Condition,
    EventCount,
    EventProperty,
    EventSequence,
    Group,
    Logic,
    Metric,
    Monetary,
    Operator,
    Recency,
    SegmentMembership,
    UserProperty,
)
from tests.oracle.comparisons import satisfies
from tests.oracle.history import Event, newest
from tests.oracle.values import MISSING, look_up, number_of

DAY = timedelta(hours=24)


# The members of each segment by its id.
Segments = Mapping[int, Collection[str]]
# The person of each user id that was linked: the id at the end of its links.
Links = Mapping[str, str]
NO_LINKS: Links = {}


def matching_users(
    group: Group, history: list[Event], now: datetime, segments: Segments, links: Links = NO_LINKS
) -> set[str]:
    """The users of a tenant who match, under the ids of persons; `history` holds all its events."""
    persons = {links.get(event.user_id, event.user_id) for event in history}
    return {
        person
        for person in persons
        if holds(
            group,
            [event for event in history if links.get(event.user_id, event.user_id) == person],
            now,
            {
                segment_id
                for segment_id, members in segments.items()
                if any(links.get(member, member) == person for member in members)
            },
        )
    }


def holds(node: Condition | Group, events: list[Event], now: datetime, member_of: Collection[int]) -> bool:
    """Whether one user, given by all their events and the segments they are in, satisfies a condition or group."""
    match node:
        case Group():
            answers = [holds(inner, events, now, member_of) for inner in node.conditions]
            return all(answers) if node.logic is Logic.AND else any(answers)
        case EventCount():
            count = len(in_window(of_type(events, node.event_type), node.window_days, now))
            return compare(Decimal(count), node.operator, [Decimal(repr(node.value))])
        case Recency():
            done = of_type(events, node.event_type)
            return bool(done) and elapsed(now - newest(done).occurred_at, node)
        case Monetary():
            return monetary(node, in_window(of_type(events, node.event_type), node.window_days, now))
        case EventProperty():
            done = of_type(events, node.event_type)
            return bool(done) and satisfies(look_up(newest(done).payload, node.property), node.comparison)
        case UserProperty():
            identified = of_type(events, "context_identified")
            value = look_up(newest(identified).payload, node.property) if identified else MISSING
            return satisfies(value, node.comparison)
        case EventSequence():
            return any(in_sequence(node, events, [first]) for first in events if first.event_type == node.events[0])
        case SegmentMembership():
            return (node.segment_id in member_of) == (node.operator is Operator.IN)


def in_sequence(sequence: EventSequence, events: list[Event], done: list[Event]) -> bool:
    """Whether the steps that are `done` can be followed by all the others."""
    last = done[-1]
    if last.occurred_at - done[0].occurred_at > sequence.window_days * DAY:
        return False
    if len(done) == len(sequence.events):
        return True
    following = [event for event in events if event.occurred_at > last.occurred_at]
    if sequence.strict:
        # Nothing lies between: the next step is among what happened next.
        following = [event for event in following if event.occurred_at == min(e.occurred_at for e in following)]
    return any(
        in_sequence(sequence, events, [*done, event])
        for event in following
        if event.event_type == sequence.events[len(done)]
    )


def of_type(events: list[Event], event_type: str) -> list[Event]:
    """The events of one type."""
    return [event for event in events if event.event_type == event_type]


def in_window(events: list[Event], days: int | None, now: datetime) -> list[Event]:
    """The events in (now - days, now]; all of them without a window."""
    if days is None:
        return events
    return [event for event in events if now - days * DAY < event.occurred_at <= now]


def elapsed(time: timedelta, condition: Recency) -> bool:
    """Whether the time since the last event is more or less than N days, or N whole days."""
    limit = condition.window_days * DAY
    match condition.operator:
        case Operator.GT:
            return time > limit
        case Operator.LT:
            return time < limit
        case _:
            return time // DAY == condition.window_days


def monetary(condition: Monetary, events: list[Event]) -> bool:
    """Whether the aggregate of the numbers compares true; sums and means are exact decimals."""
    found = [number_of(look_up(event.payload, condition.property)) for event in events]
    numbers = [Decimal(repr(number)) for number in found if number is not None]
    limits = [Decimal(repr(limit)) for limit in condition.limits]
    with localcontext(prec=400):
        if condition.metric in (Metric.SUM, Metric.AVG):
            numbers = [cut(number) for number in numbers if abs(number) < Decimal("1e58")]
            limits = [cut(limit) for limit in limits]
        if not numbers:
            return False
        match condition.metric:
            case Metric.MAX:
                return compare(max(numbers), condition.operator, limits)
            case Metric.MIN:
                return compare(min(numbers), condition.operator, limits)
            case Metric.SUM:
                return compare(sum(numbers, Decimal(0)), condition.operator, limits)
            case Metric.AVG:
                # A mean compares with a limit as the sum does with the limit times the count.
                return compare(sum(numbers, Decimal(0)), condition.operator, [len(numbers) * limit for limit in limits])


def cut(number: Decimal) -> Decimal:
    """The number without what lies beyond 18 decimal places."""
    return number.quantize(Decimal("1e-18"), ROUND_DOWN)


def compare(number: Decimal, operator: Operator, limits: list[Decimal]) -> bool:
    """A number with one limit, or with two as an inclusive range."""
    low, high = limits[0], limits[-1]
    answers = {
        Operator.EQ: number == low,
        Operator.NEQ: number != low,
        Operator.GT: number > low,
        Operator.GTE: number >= low,
        Operator.LT: number < low,
        Operator.LTE: number <= low,
        Operator.BETWEEN: low <= number <= high,
        Operator.NOT_BETWEEN: not low <= number <= high,
    }
    return answers[operator]

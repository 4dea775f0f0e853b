"""What a person has where a condition looks, and the events that decide: for people to read, beside the test."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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
from services.warehouse.compiler.chains import longest_chain
from services.warehouse.compiler.comparisons import Property
from services.warehouse.compiler.conditions import Moment, in_window, number_in_event, window_start
from services.warehouse.compiler.questions import IDENTIFIED, Answers, Question
from services.warehouse.compiler.sequences import Steps
from services.warehouse.compiler.sources import Events, Test
from services.warehouse.compiler.truths import Asked, Names

MOST_EVENTS = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY = timedelta(days=1)

# An event as it is sorted: by what comes first, then the later before the earlier; and its id.
NEWEST_FIRST = "(0, -toUnixTimestamp64Milli(occurred_at), toString(event_id))"
LATEST_ONE = f"[argMax({NEWEST_FIRST}, moment)]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Happened:
    """An event that decides. A step of a sequence is known by its type and time: it has no id."""

    event_type: str
    occurred_at: datetime
    event_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """What a person has, as JSON text, and the first of `count` events that decide."""

    value: str
    count: int = 0
    events: Sequence[Happened] = ()


class Facts:
    """What to ask about one condition beside its test, and what the answers mean."""

    def __init__(self, condition: Condition, asked: Asked, names: Names, at: Moment) -> None:
        self._condition = condition
        self._asked = asked
        self._now = at.now
        self._value = _value(condition, asked, names)
        self._evidence = _evidence(condition, names, at.now)

    def questions(self) -> list[Question]:
        """What to ask."""
        return [question for question in (self._value, self._evidence) if question]

    def read(self, answers: Answers, *, holds: bool) -> Fact:
        """What the answers say; `holds` is what the test says."""
        (found,) = (answers.all(self._value) if self._value else []) or [""]
        if isinstance(self._asked.test, Steps):
            return _path(self._asked.test, json.loads(found or "[]"))
        (evidence,) = (answers.all(self._evidence) if self._evidence else []) or ["[0, []]"]
        count, listed = json.loads(evidence)
        events = [self._event(-int(time), event_id) for _, time, event_id in listed]
        return Fact(value=self._read_value(found, holds=holds), count=int(count), events=events)

    def _read_value(self, text: str, *, holds: bool) -> str:
        match self._condition:
            case EventCount():
                return text or "0"
            case Recency():
                return json.dumps(round((self._now - moment_of(int(text))) / DAY, 8)) if text else "null"
            case SegmentMembership(operator=operator):
                return json.dumps(holds == (operator is Operator.IN))
            case _:
                return text or "null"

    def _event(self, milliseconds: int, event_id: str) -> Happened:
        assert self._evidence
        assert isinstance(self._evidence.source, Events)
        (event_type,) = self._evidence.source.event_types
        return Happened(event_type=event_type, occurred_at=moment_of(milliseconds), event_id=event_id)


def _path(steps: Steps, history: Sequence[int]) -> Fact:
    """The steps that were done in a row; the value are their times."""
    chain = [moment_of(time) for time in longest_chain(steps, history)]
    events = [
        Happened(event_type=event_type, occurred_at=moment)
        for event_type, moment in zip(steps.condition.events, chain, strict=False)
    ]
    times = [moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") for moment in chain]
    return Fact(value=json.dumps(times), count=len(events), events=events)


def _value(condition: Condition, asked: Asked, names: Names) -> Question | None:
    """What the test compares, as text; empty for null."""
    test = asked.test
    match condition:
        case SegmentMembership():
            return None
        case EventSequence():
            assert isinstance(test, Steps)
            question = asked.question
            return Question(source=question.source, sql=f"toString(history_{test.name})", columns=question.columns)
    assert isinstance(test, Test)
    aggregates = test.aggregates(None)
    named = [names.of(aggregate) for aggregate in aggregates]
    match condition:
        case EventCount():
            sql = f"toString({named[0]})"
        case Recency():
            sql = f"toString(toUnixTimestamp64Milli({named[0]}))"
        case Monetary(metric=Metric.AVG):
            sql = f"if({named[1]} = 0, '', ifNull(toString({named[0]} / {named[1]}), ''))"
        case Monetary():
            sql = f"ifNull(toString({named[0]}), '')"
        case _:
            prop = Property("latest" if test.latest else "payload", condition.property)
            sql = f"JSONExtractRaw({prop.path})"
    return Question(source=test.source, sql=sql, columns=names.columns(aggregates), latest=test.latest)


def _evidence(condition: Condition, names: Names, now: datetime) -> Question | None:
    """How many events decide, and the first of them, as JSON."""
    latest = False
    match condition:
        case EventCount():
            window = in_window(window_start(condition.window_days, now), now, None)
            event_type, aggregates = condition.event_type, _first(NEWEST_FIRST, window)
        case Recency():
            event_type, aggregates = condition.event_type, ("1", f"groupArraySorted(1)({NEWEST_FIRST})")
        case Monetary():
            event_type, aggregates = condition.event_type, _numbers(condition, now)
        case EventProperty():
            event_type, aggregates, latest = condition.event_type, ("1", LATEST_ONE), True
        case UserProperty():
            event_type, aggregates, latest = IDENTIFIED, ("1", LATEST_ONE), True
        case _:
            return None
    sql = f"toJSONString(({', '.join(map(names.of, aggregates))}))"
    columns = names.columns(aggregates)
    return Question(source=Events((event_type,)), sql=sql, columns=columns, latest=latest)


def _numbers(condition: Monetary, now: datetime) -> tuple[str, str]:
    """The events that have a number; the greatest or the least first, if that is the number asked for."""
    number = f"ifNotFinite({number_in_event(condition)}, NULL)"
    window = in_window(window_start(condition.window_days, now), now, None)
    signs = {Metric.MAX: "-", Metric.MIN: ""}
    first = f"{signs[condition.metric]}assumeNotNull({number})" if condition.metric in signs else "0"
    order = NEWEST_FIRST.replace("(0", f"({first}", 1)
    return _first(order, " AND ".join(part for part in (window, f"isNotNull({number})") if part))


def _first(order: str, matching: str) -> tuple[str, str]:
    if not matching:
        return "count()", f"groupArraySorted({MOST_EVENTS})({order})"
    return f"countIf({matching})", f"groupArraySortedIf({MOST_EVENTS})({order}, {matching})"


def moment_of(milliseconds: int) -> datetime:
    """An instant by its milliseconds since 1970."""
    return EPOCH + milliseconds * MILLISECOND

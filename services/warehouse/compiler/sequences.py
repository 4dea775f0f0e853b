"""Sequences of events as SQL.

Each branch turns a user's events into numbers, `milliseconds * 16 + rank`, where the rank counts the steps down to 0
for the last one, and an event that is no step has rank 15. Sorted, the numbers are the user's history, and of events at
the same time the later steps come first: so whatever stands before a number and could be the step before it happened
strictly earlier. An event type that is several steps has a number for each.
"""

from dataclasses import dataclass

from services.definition import EventSequence
from services.warehouse.compiler import literals
from services.warehouse.compiler.sources import Events, OtherEvents, Source

NO_STEP = 15
DAY_MILLISECONDS = 24 * 3600 * 1000
NOTHING = "CAST([], 'Array(Int64)')"


@dataclass(frozen=True)
class Steps:
    """One sequence, which may look at several sources; `name` tells its columns from those of other sequences."""

    condition: EventSequence
    name: str

    @property
    def event_types(self) -> tuple[str, ...]:
        """The types that are steps, each once."""
        return tuple(dict.fromkeys(self.condition.events))

    def numbers(self, source: Source | None) -> str:
        """The numbers of a user's events in a source, an array; NOTHING if the sequence does not look at it."""
        match source:
            case Events(event_types):
                steps = [name for name in self.event_types if name in event_types]
                has_others = len(steps) < len(event_types)
            case OtherEvents(event_types):
                steps = [name for name in self.event_types if name not in event_types]
                has_others = True
            case _:
                return NOTHING
        if not steps and not self.condition.strict:
            return NOTHING
        cases = [(f"event_type = {literals.text(name)}", self._of_one(name)) for name in steps]
        other = f"[{_number(NO_STEP)}]" if self.condition.strict else NOTHING
        if not has_others:
            (_, other) = cases.pop()
        each = f"multiIf({', '.join(', '.join(case) for case in cases)}, {other})" if cases else other
        return f"groupArrayArray({each})"

    def columns(self, numbers: str) -> list[str]:
        """What `check` needs, made of all numbers of a user."""
        columns = [f"arraySort({numbers}) AS history_{self.name}"]
        if self.condition.strict:
            columns += [
                f"arrayMap(number -> bitShiftRight(number, 4), history_{self.name}) AS times_{self.name}",
                f"arrayEnumerateDense(times_{self.name}) AS places_{self.name}",
                f"arrayCompact(times_{self.name}) AS moments_{self.name}",
            ]
        return columns

    def check(self) -> str:
        """Whether the user matches."""
        return self._check_strict() if self.condition.strict else self._check()

    def _of_one(self, event_type: str) -> str:
        """The numbers of one event of a type that is a step."""
        count = len(self.condition.events)
        ranks = [count - step for step, name in enumerate(self.condition.events, start=1) if name == event_type]
        return f"[{', '.join(_number(rank) for rank in ranks)}]"

    @property
    def window(self) -> int:
        """The longest time from the first step to the last, in milliseconds."""
        return self.condition.window_days * DAY_MILLISECONDS

    def _check(self) -> str:
        """Walks through the steps: beside each event the latest start of a chain of steps that ended up to there."""
        history = f"history_{self.name}"
        first = len(self.condition.events) - 1
        start = f"arrayMap(number -> if(bitAnd(number, 15) = {first}, bitShiftRight(number, 4), -1), {history})"
        for rank in range(first - 1, 0, -1):
            goes_on = f"(number, start) -> if(bitAnd(number, 15) = {rank}, start, -1)"
            start = f"arrayMap({goes_on}, {history}, {_carried(start)})"
        in_time = f"bitShiftRight(number, 4) - start <= {self.window}"
        is_end = f"(number, start) -> bitAnd(number, 15) = 0 AND start >= 0 AND {in_time}"
        return f"arrayExists({is_end}, {history}, {_carried(start)})"

    def _check_strict(self) -> str:
        """The user's moments numbered: the steps must lie at moments one after the other."""
        last = len(self.condition.events) - 1
        starts = [
            f"arrayMap(place -> place - {step}, arrayFilter("
            f"(place, number) -> bitAnd(number, 15) = {last - step}, places_{self.name}, history_{self.name}))"
            for step in range(last + 1)
        ]
        moments = f"moments_{self.name}"
        in_time = f"{moments}[place + {last}] - {moments}[place] <= {self.window}"
        return f"arrayExists(place -> {in_time}, arrayIntersect({', '.join(starts)}))"


def _number(rank: int) -> str:
    return f"toUnixTimestamp64Milli(occurred_at) * 16 + {rank}"


def _carried(values: str) -> str:
    """For each place of an array the last value so far that is not -1."""
    return f"arrayFill(value -> value >= 0, {values})"

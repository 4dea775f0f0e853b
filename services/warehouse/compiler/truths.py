"""Whether each condition holds for one person: the tests that a compute makes, as questions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.definition import Condition, EventSequence, Group, Logic, fold
from services.warehouse.compiler.conditions import Moment, compile_condition
from services.warehouse.compiler.questions import WITH, WITHOUT, Answers, Arrival, Question
from services.warehouse.compiler.sequences import Steps
from services.warehouse.compiler.sources import Changes, Events, OtherEvents, Source, Test

TRUE = "1"


@dataclass(frozen=True)
class Asked:
    """A test, and the question that makes it."""

    test: Test | Steps
    question: Question

    def looks_at(self, arrival: Arrival) -> bool:
        """Whether the test looks at an event that arrives."""
        if isinstance(self.test, Test):
            return arrival.is_in(self.test.source)
        return self.test.condition.strict or arrival.event_type in self.test.event_types

    def holds(self, answers: Answers, side: int = WITHOUT) -> bool:
        """Whether the test holds: as it does without rows, unless the rows of one of the user ids say otherwise."""
        absent = isinstance(self.test, Test) and self.test.absent
        return absent != any((answer == TRUE) != absent for answer in answers.all(self.question, side))

    def turns(self, answers: Answers) -> bool:
        """Whether the event that arrives makes a difference."""
        return self.holds(answers, WITHOUT) != self.holds(answers, WITH)


class Truths:
    """The tests of some conditions, each distinct one once."""

    def __init__(self, conditions: Iterable[Condition], at: Moment) -> None:
        self.names = Names()
        # By how they are written: of equal conditions, one may ask for 1 and the other for true.
        distinct = {repr(condition): condition for condition in conditions}
        tests = {
            written: compile_condition(condition, at, self.names.of_history(condition))
            for written, condition in distinct.items()
        }
        source = _source_of([test for test in tests.values() if isinstance(test, Steps)])
        self._asked: Mapping[str, Asked] = {
            written: Asked(test, _of_steps(test, source) if isinstance(test, Steps) else _of_test(test, self.names))
            for written, test in tests.items()
        }

    def questions(self) -> list[Question]:
        """What to ask."""
        return [asked.question for asked in self._asked.values()]

    def asked(self, condition: Condition) -> Asked:
        """The test of a condition."""
        return self._asked[repr(condition)]

    def holds(self, group: Group, answers: Answers, side: int = WITHOUT) -> bool:
        """Whether a definition holds for whoever has an event."""
        return fold(
            group,
            lambda _, condition: self.asked(condition).holds(answers, side),
            lambda logic, parts: (all if logic is Logic.AND else any)(parts),
        )


class Names:
    """Names for aggregates, one for each: tests that look at the same one share it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._histories: dict[tuple[object, ...], int] = {}

    def of(self, aggregate: str) -> str:
        """The name of an aggregate."""
        return self._names.setdefault(aggregate, f"value_{len(self._names)}")

    def of_history(self, condition: Condition) -> int:
        """The number of what a sequence makes of the person's events: the same for the same steps."""
        steps = (condition.events, condition.strict) if isinstance(condition, EventSequence) else ()
        return self._histories.setdefault(steps, len(self._histories))

    def columns(self, aggregates: Iterable[str]) -> tuple[str, ...]:
        """Aggregates under their names."""
        return tuple(f"{aggregate} AS {self.of(aggregate)}" for aggregate in aggregates)


def _source_of(sequences: list[Steps]) -> Source:
    """Where all the sequences look, so that the person's events are read once for them."""
    if any(sequence.condition.strict for sequence in sequences):
        return OtherEvents(())
    return Events(tuple(dict.fromkeys(name for sequence in sequences for name in sequence.event_types)))


def _of_test(test: Test, names: Names) -> Question:
    if isinstance(test.source, Changes):
        return Question(source=test.source, sql=_truth(test.sql(None)))
    aggregates = test.aggregates(None)
    sql = _truth(test.check(*map(names.of, aggregates)))
    return Question(source=test.source, sql=sql, columns=names.columns(aggregates), latest=test.latest)


def _of_steps(steps: Steps, source: Source) -> Question:
    return Question(source=source, sql=_truth(steps.check()), columns=tuple(steps.columns(steps.numbers(source))))


def _truth(sql: str) -> str:
    return f"if({sql}, '{TRUE}', '')"

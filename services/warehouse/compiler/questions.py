"""Questions about one person, answered together: as things are, and as if one more event had arrived.

A branch per source reads the person's rows once and answers each of its questions with a text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.warehouse.compiler import literals
from services.warehouse.compiler.sources import (
    LATEST,
    Changes,
    Events,
    OtherEvents,
    Properties,
    Scope,
    Source,
    filters,
    joined,
    nested,
    select,
)

# The sides: without the event, and with it.
WITHOUT, WITH = 0, 1
# The branch that has a row if the person has an event.
KNOWN = 0

IDENTIFIED = "context_identified"
EVENT_COLUMNS = "event_type, occurred_at, received_at, event_id, payload"
# Of a statement, about: the engine reads at most 50,000 elements of a few characters each.
MOST_CHARACTERS = 120_000

# Of events that are equal in both times the one with the greatest id is the latest.
GREATEST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
# Of the property sets of a person's user ids.
NEWEST_SET = "argMax(candidate, (ver, candidate)) AS payload"

Row = tuple[int, int, Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """An event that is not stored; `payload` is JSON text."""

    event_type: str
    occurred_at: datetime
    received_at: datetime
    payload: str

    def is_in(self, source: Source) -> bool:
        """Whether a source would have a row of it."""
        match source:
            case Events(event_types):
                return self.event_type in event_types
            case OtherEvents(event_types):
                return self.event_type not in event_types
            case Properties():
                return self.event_type == IDENTIFIED
            case Changes():
                return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """`sql` is a text made of `columns`, which are aggregates of a person's rows of a source.

    Of `Properties` there is one row, the newest set's, and of `Changes` `sql` itself aggregates, for each user id.
    `latest` tells that the payload of the latest event is used.
    """

    source: Source
    sql: str
    columns: tuple[str, ...] = ()
    latest: bool = False


@dataclass(kw_only=True, slots=True)
class _Branch:
    """Questions about one source with their places among the branch's answers, and what they are made of."""

    source: Source
    places: dict[Question, int] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    length: int = 0

    def takes(self, question: Question) -> bool:
        """Adds a question, unless that would make the branch too long."""
        new = [column for column in question.columns if column not in self.columns]
        length = self.length + len(question.sql) + sum(map(len, new))
        if self.places and length > MOST_CHARACTERS:
            return False
        self.places[question] = len(self.places)
        self.columns |= dict.fromkeys(new)
        self.length = length
        return True


class Questions:
    """What answers some questions about the person with the scope's user ids, and how to read it."""

    def __init__(self, questions: Iterable[Question], scope: Scope, arrival: Arrival | None = None) -> None:
        assert scope.user_ids, "a person has an id"
        self._scope = scope
        self._arrival = arrival
        self._branches: list[_Branch] = []
        open_branches: dict[Source, _Branch] = {}
        for question in dict.fromkeys(questions):
            branch = open_branches.get(question.source)
            if branch is None or not branch.takes(question):
                branch = open_branches[question.source] = _Branch(source=question.source)
                branch.takes(question)
                self._branches.append(branch)

    def statements(self) -> list[str]:
        """One statement, or more where it would be too long. Columns: side, branch, and the branch's answers."""
        known = f"SELECT {WITHOUT} AS side, {KNOWN} AS branch, [''] AS answers\nFROM users\n"
        known += f"WHERE {joined(self._scope.filters('first_seen'))}\nLIMIT 1"
        statements, length = [[known]], len(known)
        for number, branch in enumerate(self._branches, start=KNOWN + 1):
            answers = self._answers(number, branch)
            if length + len(answers) > MOST_CHARACTERS:
                statements.append([])
                length = 0
            statements[-1].append(answers)
            length += len(answers)
        return ["\n\nUNION ALL\n\n".join(branches) for branches in statements if branches]

    def read(self, rows: Iterable[Row]) -> "Answers":
        """What the statements' rows say."""
        found: dict[tuple[int, int], list[Sequence[str]]] = {}
        for side, branch, answers in rows:
            found.setdefault((side, branch), []).append(answers)
        numbered = list(enumerate(self._branches, start=KNOWN + 1))
        return Answers(
            found=found,
            places={
                question: (number, place) for number, branch in numbered for question, place in branch.places.items()
            },
            two_sided={number for number, branch in numbered if self._arrival and self._arrival.is_in(branch.source)},
        )

    def _answers(self, number: int, branch: _Branch) -> str:
        source = branch.source
        answers = f"{number} AS branch, [{', '.join(question.sql for question in branch.places)}] AS answers"
        if isinstance(source, Changes):
            return select(source, self._scope, columns=f"{WITHOUT} AS side, {answers}")
        columns = ["side", *branch.columns]
        latest = LATEST if any(question.latest for question in branch.places) else ""
        if latest:
            columns.append("latest")
        if isinstance(source, Properties):
            columns.append(NEWEST_SET)
        rows = f"{latest}SELECT {', '.join(columns)}\nFROM {nested(self._rows(source))}\nGROUP BY side"
        return f"SELECT side, {answers}\nFROM {nested(rows)}"

    def _rows(self, source: Source) -> str:
        """The person's rows of a source, on each side."""
        is_set = isinstance(source, Properties)
        columns, table = ("payload AS candidate, ver", "user_props FINAL") if is_set else (EVENT_COLUMNS, "events")
        where = joined(filters(source, self._scope))
        if self._arrival is None or not self._arrival.is_in(source):
            return f"SELECT {WITHOUT} AS side, {columns}\nFROM {table}\nWHERE {where}"
        stored = f"SELECT arrayJoin([{WITHOUT}, {WITH}]) AS side, {columns}\nFROM {table}\nWHERE {where}"
        values = _set_of(self._arrival) if is_set else _event_of(self._arrival)
        return f"{stored}\nUNION ALL\nSELECT {WITH}, {values}"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was found, by side and branch; where each question is answered; the branches that have two sides."""

    found: Mapping[tuple[int, int], Sequence[Sequence[str]]]
    places: Mapping[Question, tuple[int, int]]
    two_sided: set[int]

    @property
    def is_known(self) -> bool:
        """Whether the person has a stored event."""
        return (WITHOUT, KNOWN) in self.found

    def all(self, question: Question, side: int = WITHOUT) -> list[str]:
        """The answers to a question: none without rows, more than one only for `Changes` of several user ids."""
        branch, place = self.places[question]
        rows = self.found.get((side if branch in self.two_sided else WITHOUT, branch), ())
        return [answers[place] for answers in rows]


def _event_of(arrival: Arrival) -> str:
    occurred_at, received_at = literals.milliseconds(arrival.occurred_at), literals.milliseconds(arrival.received_at)
    times = f"toDateTime64({occurred_at}, 3, 'UTC'), toDateTime64({received_at}, 3, 'UTC')"
    event_type, payload = literals.text(arrival.event_type), literals.text(arrival.payload)
    return f"{event_type}, {times}, toUUID('{GREATEST_ID}'), {payload}"


def _set_of(arrival: Arrival) -> str:
    occurred, received = (round(at.timestamp() * 1000) for at in (arrival.occurred_at, arrival.received_at))
    return f"{literals.text(arrival.payload)}, toUInt128('{(occurred << 64) + received}')"

"""Putting the tests of a definition together into one statement."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.definition import Group, Logic, fold, leaves
from services.warehouse.compiler.conditions import Moment, compile_condition
from services.warehouse.compiler.sequences import NOTHING, Steps
from services.warehouse.compiler.sources import (
    Events,
    OtherEvents,
    Part,
    Scope,
    Source,
    Test,
    everyone,
    nested,
    select,
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A SELECT of one column, `user_id`, each matching user once, in no order; readable and complete as it is."""

    sql: str


def compile_definition(
    group: Group,
    *,
    tenant_id: int,
    now: datetime,
    past: bool = False,
    runs: Mapping[int, int] | None = None,
    ranges: Sequence[tuple[str, str]] = (),
    linked: bool = False,
    part: Part = Part.ALL,
) -> Compiled:
    """The SQL for the users of a tenant who match the definition at the instant `now`, an aware datetime.

    `past`: that instant is past, and what happened since does not count. `runs`: of each segment the definition refers
    to, the last run of its ledger that counts; 0, nobody is in it, when absent. `ranges`: only the users from the first
    to the second id of one of these pairs. `linked`: the tenant has links between user ids, which make them one user.
    `part`: of whom it tells.
    """
    at = Moment.at(now, past=past, runs=runs or {})
    scope = Scope(tenant_id=tenant_id, until=at.until, ranges=ranges, linked=linked, part=part)
    tests = [compile_condition(condition, at, bit) for bit, (_, condition) in enumerate(leaves(group))]
    return Compiled(_Plan(group, tests, scope).sql())


class _Plan:
    """How the tests of a definition share what they read: no event is read twice."""

    def __init__(self, group: Group, tests: "list[Test | Steps]", scope: Scope) -> None:
        self._group = group
        self._scope = scope
        self._tests = tests
        self._paths = [path for path, _ in leaves(group)]
        self._sequences = [test for test in tests if isinstance(test, Steps)]
        # The numbers of the tests that look at one source only, by source.
        self._bits: dict[Source, list[int]] = {}
        for bit, test in enumerate(tests):
            if isinstance(test, Test):
                self._bits.setdefault(test.source, []).append(bit)
        read = [name for source in self._bits if isinstance(source, Events) for name in source.event_types]
        rest = dict.fromkeys(name for sequence in self._sequences for name in sequence.event_types if name not in read)
        if any(sequence.condition.strict for sequence in self._sequences):
            self._bits[OtherEvents(tuple(read))] = []
        elif rest:
            self._bits[Events(tuple(rest))] = []

    def sql(self) -> str:
        if len(self._bits) > 1 or self._matches_absent():
            return self._filtered(self._joined())
        ((source, bits),) = self._bits.items()
        if self._sequences:
            columns = [column for sequence in self._sequences for column in sequence.columns(sequence.numbers(source))]
            return self._filtered(self._select(source, ["user_id", f"{self._flags(source)} AS mask", *columns]))
        since = self._since(source)
        return self._select(source, ["user_id"], self._combine(self._one_source_test(bit).sql(since) for bit in bits))

    def _matches_absent(self) -> bool:
        """Whether a user without a row in any source matches."""
        answers = (isinstance(test, Test) and test.absent for test in self._tests)
        return fold(
            self._group,
            lambda *_: next(answers),
            lambda logic, parts: (all if logic is Logic.AND else any)(parts),
        )

    def _filtered(self, users: str) -> str:
        """Those of the users, given with their masks and histories, who match."""
        checks = self._combine(self._on_user(bit) for bit in range(len(self._tests)))
        return f"SELECT user_id\nFROM {nested(users)}\nWHERE {checks}"

    def _joined(self) -> str:
        """What all sources tell of a user: a bit per test, set where the test differs from what it is without rows.

        So who has no rows has no bit set.
        """
        branches = [self._select(source, self._columns(source)) for source in self._bits]
        if self._matches_absent():
            branches.insert(0, everyone(self._scope, _listed(self._columns(None))))
        columns = ["user_id", "groupBitOr(bits) AS mask"]
        for sequence in self._sequences:
            columns += sequence.columns(f"groupArrayArray({_numbers(sequence)})")
        union = "\n\nUNION ALL\n\n".join(branches)
        return f"SELECT {_listed(columns)}\nFROM {nested(union)}\nGROUP BY user_id"

    def _columns(self, source: Source | None) -> list[str]:
        numbers = [f"{sequence.numbers(source)} AS {_numbers(sequence)}" for sequence in self._sequences]
        return ["user_id", f"{self._flags(source)} AS bits", *numbers]

    def _flags(self, source: Source | None) -> str:
        """The bits of a source's tests."""
        flags = [self._flag(bit, source) for bit in self._bits.get(source, ())] if source else []
        return "\n  + ".join(flags) + "\n   " if flags else "toUInt64(0)"

    def _flag(self, bit: int, source: Source) -> str:
        test = self._one_source_test(bit)
        on, off = ("toUInt64(0)", str(1 << bit)) if test.absent else (f"toUInt64({1 << bit})", "0")
        return f"if({test.sql(self._since(source))}, {on}, {off})  -- bit {bit}: {self._paths[bit]}"

    def _since(self, source: Source) -> datetime | None:
        """The instant up to which rows of a source do not matter to any test."""
        if any(sequence.numbers(source) != NOTHING for sequence in self._sequences):
            return None
        since = [self._one_source_test(bit).since for bit in self._bits[source]]
        known = [instant for instant in since if instant is not None]
        return min(known) if len(known) == len(since) else None

    def _select(self, source: Source, columns: list[str], matching: str = "") -> str:
        return select(
            source,
            self._scope,
            columns=_listed(columns),
            matching=matching,
            since=self._since(source),
            latest=any(self._one_source_test(bit).latest for bit in self._bits[source]),
        )

    def _one_source_test(self, bit: int) -> Test:
        test = self._tests[bit]
        assert isinstance(test, Test)
        return test

    def _on_user(self, bit: int) -> str:
        test = self._tests[bit]
        if isinstance(test, Steps):
            return test.check()
        return f"{'NOT ' if test.absent else ''}bitTest(mask, {bit})"

    def _combine(self, checks: Iterator[str]) -> str:
        """The tree of the definition over one SQL test per condition; the outermost group one test a line."""

        def join(logic: Logic, parts: list[str]) -> str:
            return parts[0] if len(parts) == 1 else f"({f' {logic} '.join(parts)})"

        parts = [
            fold(Group(logic=Logic.AND, conditions=(node,)), lambda *_: next(checks), join)
            for node in self._group.conditions
        ]
        return f"\n  {self._group.logic} ".join(parts)


def _numbers(sequence: Steps) -> str:
    return f"numbers_{sequence.name}"


def _listed(columns: list[str]) -> str:
    return ",\n  ".join(columns)

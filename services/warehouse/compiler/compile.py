"""Putting the tests of a definition together into one statement."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.definition import Group, Logic, fold, leaves
from services.warehouse.compiler.conditions import compile_condition
from services.warehouse.compiler.sources import Source, Test, everyone, nested, select


@dataclass(frozen=True, slots=True)
class Compiled:
    """A SELECT of one column, `user_id`, each matching user once, in no order; readable and complete as it is."""

    sql: str


def compile_definition(group: Group, *, tenant_id: int, now: datetime) -> Compiled:
    """The SQL for the users of a tenant who match the definition at the instant `now`, an aware datetime."""
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    # Events carry milliseconds: what happened up to `now` happened up to its last whole millisecond.
    instant = now.replace(microsecond=now.microsecond // 1000 * 1000)
    tests = [compile_condition(condition, instant) for _, condition in leaves(group)]
    by_source: dict[Source, list[int]] = {}
    for bit, test in enumerate(tests):
        by_source.setdefault(test.source, []).append(bit)
    if len(by_source) == 1 and not _matches_absent(group, tests):
        return Compiled(_single(group, tests, tenant_id))
    return Compiled(_masks(group, tests, by_source, tenant_id))


def _matches_absent(group: Group, tests: list[Test]) -> bool:
    """Whether a user without a row in any source matches."""
    answers = iter(tests)
    return fold(
        group, lambda *_: next(answers).absent, lambda logic, parts: (all if logic is Logic.AND else any)(parts)
    )


def _single(group: Group, tests: list[Test], tenant_id: int) -> str:
    matching = _combine(group, (test.sql for test in tests))
    return select(tests[0].source, tests, tenant_id=tenant_id, columns="user_id", matching=matching)


def _masks(group: Group, tests: list[Test], by_source: dict[Source, list[int]], tenant_id: int) -> str:
    """One bit per test, set where it differs from what it is without rows: so a user without rows has no bit set."""
    paths = [path for path, _ in leaves(group)]
    branches = []
    if _matches_absent(group, tests):
        branches.append(everyone(tenant_id, "user_id, toUInt64(0) AS bits"))
    for source, bits in by_source.items():
        flags = [_flag(bit, tests[bit], paths[bit]) for bit in bits]
        columns = "user_id,\n    " + "\n  + ".join(flags) + "\n    AS bits"
        branches.append(select(source, [tests[bit] for bit in bits], tenant_id=tenant_id, columns=columns))
    masks = f"SELECT user_id, groupBitOr(bits) AS mask\nFROM {nested(_union(branches))}\nGROUP BY user_id"
    checks = (f"{'NOT ' if test.absent else ''}bitTest(mask, {bit})" for bit, test in enumerate(tests))
    return f"SELECT user_id\nFROM {nested(masks)}\nWHERE {_combine(group, checks)}"


def _union(branches: list[str]) -> str:
    return "\n\nUNION ALL\n\n".join(branches)


def _flag(bit: int, test: Test, path: str) -> str:
    on, off = ("toUInt64(0)", str(1 << bit)) if test.absent else (f"toUInt64({1 << bit})", "0")
    return f"if({test.sql}, {on}, {off})  -- bit {bit}: {path}"


def _combine(group: Group, checks: Iterator[str]) -> str:
    """The tree of the definition over one SQL test per condition; the outermost group one test a line."""

    def join(logic: Logic, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else f"({f' {logic} '.join(parts)})"

    parts = [
        fold(Group(logic=Logic.AND, conditions=(node,)), lambda *_: next(checks), join) for node in group.conditions
    ]
    return f"\n  {group.logic} ".join(parts)

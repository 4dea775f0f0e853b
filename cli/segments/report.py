"""How segopsctl shows a plan: a table and diffs for people, JSON for scripts."""

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.segments.apply import Taken
from cli.segments.plan import Action, Plan, Step
from cli.segments.service import Effect, Effects

COLORS = {Action.CREATE: "green", Action.CHANGE: "yellow", Action.KEEP: "dim", Action.DELETE: "red"}
PAST = {Action.CREATE: "created", Action.CHANGE: "changed", Action.DELETE: "deleted"}


def plan_json(plan: Plan, effects: Effects) -> dict[str, object]:
    """The plan for scripts. Counts are null where they cannot be told, or nobody enters or leaves."""
    return {
        "steps": [_step(step, effects.get(step.name)) for step in plan.steps],
        "unmanaged": [{"id": segment.id, "name": segment.name} for segment in plan.unmanaged],
    }


def taken_json(taken: Sequence[Taken]) -> list[dict[str, object]]:
    """The steps that were taken, for scripts."""
    return [
        {"action": str(item.step.action), "name": item.step.name, "id": item.segment_id, "queued": item.queued}
        for item in taken
    ]


def show_plan(plan: Plan, effects: Effects) -> None:
    """Prints the plan for people."""
    console = Console(soft_wrap=True)
    table = Table("segment", "plan", "enter", "leave", "", box=None, header_style="bold")
    for step in plan.steps:
        table.add_row(*_row(step, effects.get(step.name)))
    console.print(table)
    for step in plan.steps:
        for line in _changes(step):
            console.print(line)
    if plan.unmanaged:
        names = ", ".join(repr(segment.name) for segment in plan.unmanaged)
        console.print(Text(f"\nIn no file, left alone: {names}"))
    console.print(Text(f"\n{summary(plan)}"))


def show_taken(plan: Plan, taken: Sequence[Taken]) -> None:
    """Prints which of the plan's steps were taken."""
    for item in taken:
        computes = ", compute queued" if item.queued else ""
        print(f"{PAST[item.step.action]} {item.step.name!r} ({item.segment_id}){computes}")
    if len(taken) < len(plan.to_do):
        print(f"{len(taken)} of {len(plan.to_do)} steps were taken.")


def summary(plan: Plan) -> str:
    """How many steps of each kind."""
    counts = {action: sum(step.action is action for step in plan.steps) for action in Action}
    return (
        f"{counts[Action.CREATE]} to create, {counts[Action.CHANGE]} to change, "
        f"{counts[Action.DELETE]} to delete, {counts[Action.KEEP]} unchanged"
    )


def _step(step: Step, effect: Effect | None) -> dict[str, object]:
    return {
        "action": str(step.action),
        "name": step.name,
        "id": step.segment_id,
        "declared_in": step.declared.place if step.declared else None,
        "changes": {name: {"from": old, "to": new} for name, (old, new) in step.changes.items()},
        "entering": effect.entering if effect else None,
        "leaving": effect.leaving if effect else None,
        "awaits": list(step.awaits),
    }


def _row(step: Step, effect: Effect | None) -> list[Text]:
    color = COLORS[step.action]
    fields = f": {', '.join(step.changes)}" if step.changes else ""
    awaited = " and ".join(map(repr, step.awaits))
    return [
        Text(step.name),
        Text(f"{step.action}{fields}", color),
        Text(f"{effect.entering:,}" if effect else "-", justify="right"),
        Text(f"{effect.leaving:,}" if effect else "-", justify="right"),
        Text(f"cannot be counted before {awaited} is created" if awaited else ""),
    ]


def _changes(step: Step) -> Iterator[Text]:
    """What changes in a segment, field by field."""
    if step.changes:
        yield Text(f"\n{step.name}", "bold")
    for name, (old, new) in step.changes.items():
        if name == "definition":
            yield Text("  definition:")
            yield from _diff(old, new)
        else:
            yield Text(f"  {name}: {_text(old)} -> {_text(new)}")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _diff(old: object, new: object) -> Iterator[Text]:
    lines = difflib.unified_diff(_lines(old), _lines(new), lineterm="")
    for line in list(lines)[2:]:
        yield Text(f"    {line}", {"+": "green", "-": "red", "@": "cyan"}.get(line[0], ""))


def _lines(definition: Any) -> list[str]:
    return yaml.safe_dump(definition, allow_unicode=True, width=float("inf")).splitlines()

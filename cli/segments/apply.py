"""Counting what a plan would do to memberships, and taking its steps."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.console import Console
from rich.progress import track

from cli.segments.definitions import Json, with_ids
from cli.segments.plan import Action, Plan, Step
from cli.segments.service import Effect, Segments
from services.kit.errors import Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A step that was taken."""

    step: Step
    segment_id: int
    # Whether a compute was queued.
    queued: bool = False


async def count_users(plan: Plan, segments: Segments) -> dict[str, Effect]:
    """What the steps that decide members by segments that are there would do, by the segment's name."""
    effects = {}
    countable = [step for step in plan.steps if step.decides_members and not step.awaits]
    for step in _with_progress(countable, "Counting users"):
        with _blaming(step):
            definition = _definition(step, plan.ids)
            if step.segment_id is None:
                effects[step.name] = await segments.preview(definition)
            else:
                effects[step.name] = await segments.diff(step.segment_id, definition)
    return effects


async def take_all(plan: Plan, segments: Segments, taken: list[Taken], *, compute: bool) -> None:
    """Takes the steps one after the other and notes each in `taken` when it is done; the first that fails ends it.

    With `compute`, a compute is queued where members are decided anew.
    """
    ids = dict(plan.ids)
    for step in _with_progress(plan.to_do, "Applying"):
        with _blaming(step):
            segment_id = await _take(step, segments, ids)
            taken.append(Taken(step=step, segment_id=segment_id))
            if compute and step.decides_members:
                await segments.compute(segment_id)
                taken[-1] = replace(taken[-1], queued=True)


async def _take(step: Step, segments: Segments, ids: dict[str, int]) -> int:
    """Takes a step, notes in `ids` what it creates, and answers the segment's id."""
    if step.segment_id is None:
        ids[step.name] = await segments.create(_fields(step, ids))
        return ids[step.name]
    if step.action is Action.DELETE:
        await segments.delete(step.segment_id)
    else:
        fields = _fields(step, ids)
        await segments.update(step.segment_id, {name: fields[name] for name in step.changes})
    return step.segment_id


def _fields(step: Step, ids: Mapping[str, int]) -> dict[str, object]:
    assert step.declared is not None
    return {
        "name": step.name,
        "description": step.declared.description,
        "definition": _definition(step, ids),
        "refresh_minutes": step.declared.refresh_minutes,
        "is_active": step.declared.is_active,
    }


def _definition(step: Step, ids: Mapping[str, int]) -> Json:
    assert step.declared is not None
    return with_ids(step.declared.definition, ids)


@contextmanager
def _blaming(step: Step) -> Iterator[None]:
    """Says which step failed; how it failed is said where the failure ends up."""
    try:
        yield
    except Failure:
        place = f"{step.declared.place}: " if step.declared else ""
        print(f"{place}{step.name!r} failed:", file=sys.stderr)
        raise


def _with_progress(steps: Sequence[Step], description: str) -> Iterator[Step]:
    console = Console(stderr=True)
    yield from track(steps, description, console=console, transient=True, disable=not console.is_terminal)

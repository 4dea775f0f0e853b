"""What has to be done so that a tenant's segments are as files declare them. Nothing here asks anybody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import TopologicalSorter

from cli.segments.definitions import references, same, with_ids, with_names
from cli.segments.files import Declared
from cli.segments.scope import Existing, Scope
from services.kit.errors import Invalid


class Action(StrEnum):
    """What is done with a segment."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "unchanged"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What is done with one segment."""

    action: Action
    name: str
    # None for a segment that is not there yet.
    segment_id: int | None = None
    # None for a segment that is deleted.
    declared: Declared | None = None
    # The fields that change, as (old, new); definitions with names in place of ids.
    changes: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    # Names of the segments it refers to that are not there yet.
    awaits: Sequence[str] = ()

    @property
    def decides_members(self) -> bool:
        """Whether users may enter or leave by it."""
        return self.action is Action.CREATE or "definition" in self.changes


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The steps, in an order in which they can be taken, and the segments that are left alone."""

    steps: Sequence[Step]
    unmanaged: Sequence[Existing]
    # Ids of the tenant's segments by name.
    ids: Mapping[str, int]

    @property
    def to_do(self) -> list[Step]:
        """The steps that change something."""
        return [step for step in self.steps if step.action is not Action.KEEP]


def make_plan(declared: Sequence[Declared], existing: Sequence[Existing], *, prune: bool = False) -> Plan:
    """The plan; with `prune` it deletes segments that no file declares. Raises Invalid with every error, one a line."""
    scope = Scope(declared, existing, prune=prune)
    errors: list[str] = []
    order = scope.order(errors)
    if errors:
        raise Invalid(detail="\n".join(errors))
    steps = [_step(segment, scope) for segment in order]
    if prune:
        return Plan(steps=[*steps, *_deletions(scope.unmanaged)], unmanaged=[], ids=scope.ids())
    return Plan(steps=steps, unmanaged=scope.unmanaged, ids=scope.ids())


def _step(segment: Declared, scope: Scope) -> Step:
    definition = with_ids(segment.definition, scope.ids())
    awaits = [reference for _, reference in references(definition) if isinstance(reference, str)]
    current = scope.current(segment.name)
    if current is None:
        return Step(action=Action.CREATE, name=segment.name, declared=segment, awaits=awaits)
    changes: dict[str, tuple[object, object]] = {
        name: (old, new)
        for name in ("description", "refresh_minutes", "is_active")
        if (old := getattr(current, name)) != (new := getattr(segment, name))
    }
    if not same(definition, current.definition):
        names = scope.names()
        changes["definition"] = (with_names(current.definition, names), with_names(segment.definition, names))
    return Step(
        action=Action.CHANGE if changes else Action.KEEP,
        name=segment.name,
        segment_id=current.id,
        declared=segment,
        changes=changes,
        awaits=awaits,
    )


def _deletions(segments: Sequence[Existing]) -> list[Step]:
    """Deletes segments, each after those that refer to it."""
    by_id = {segment.id: segment for segment in segments}
    graph: dict[int, set[int]] = {segment_id: set() for segment_id in by_id}
    for segment in segments:
        for _, reference in references(segment.definition):
            if isinstance(reference, int) and reference in by_id:
                graph[reference].add(segment.id)
    order = [by_id[segment_id] for segment_id in TopologicalSorter(graph).static_order()]
    return [Step(action=Action.DELETE, name=segment.name, segment_id=segment.id) for segment in order]

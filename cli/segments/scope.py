"""The segments a definition may refer to: those that files declare, and those of the tenant."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from cli.segments.definitions import Json, Reference, references
from cli.segments.files import Declared


@dataclass(frozen=True, kw_only=True, slots=True)
class Existing:
    """A segment as it is in the tenant."""

    id: int
    name: str
    description: str
    definition: Json | None
    refresh_minutes: int | None
    is_active: bool


# A declared segment by its name, any other by its id.
Node = str | int


class Scope:
    """Finds what references mean. With `prune`, the tenant's segments that no file declares are about to go."""

    def __init__(self, declared: Sequence[Declared], existing: Sequence[Existing], *, prune: bool) -> None:
        self.declared = {segment.name: segment for segment in declared}
        self.unmanaged = [segment for segment in existing if segment.name not in self.declared]
        self._prune = prune
        self._by_id = {segment.id: segment for segment in existing}
        self._by_name: dict[str, list[Existing]] = {}
        for segment in existing:
            self._by_name.setdefault(segment.name, []).append(segment)

    def current(self, name: str) -> Existing | None:
        """The tenant's segment of this name."""
        return next(iter(self._by_name.get(name, [])), None)

    def ids(self) -> dict[str, int]:
        """The ids of the tenant's segments by name."""
        return {segment.name: segment.id for segment in self._by_id.values()}

    def names(self) -> dict[int, str]:
        """The names of the tenant's segments by id."""
        return {segment.id: segment.name for segment in self._by_id.values()}

    def order(self, errors: list[str]) -> list[Declared]:
        """The declared segments, each after those it refers to. Every wrong name and reference is noted in `errors`."""
        errors += (
            f"{segment.place}.name: the tenant has {len(found)} segments {name!r}"
            for name, segment in self.declared.items()
            if len(found := self._by_name.get(name, [])) > 1
        )
        graph = self._graph(errors)
        while True:
            try:
                nodes = list(TopologicalSorter(graph).static_order())
            except CycleError as error:
                errors.append(self._without_cycle(graph, error.args[1][::-1]))
            else:
                return [self.declared[node] for node in nodes if isinstance(node, str)]

    def _graph(self, errors: list[str]) -> dict[Node, dict[Node, str]]:
        """What each segment refers to, with the path of the reference."""
        graph: dict[Node, dict[Node, str]] = {}
        for name, segment in self.declared.items():
            graph[name] = {}
            for path, reference in references(segment.definition):
                try:
                    graph[name][self._node(reference)] = path
                except LookupError as error:
                    errors.append(f"{segment.place}.definition: {path}: {error}")
        for other in self.unmanaged:
            graph[other.id] = {}
            for path, reference in references(other.definition):
                with suppress(LookupError):
                    graph[other.id][self._node(reference)] = path
        return graph

    def _node(self, reference: Reference) -> Node:
        """The segment a reference means. Raises LookupError with the reason why it means none."""
        if isinstance(reference, str):
            if reference in self.declared:
                return reference
            named = self._by_name.get(reference, [])
            if len(named) > 1:
                raise LookupError(f"the tenant has {len(named)} segments {reference!r}; give the segment_id")
            found = next(iter(named), None)
        else:
            found = self._by_id.get(reference)
        if found is None:
            raise LookupError(f"there is no segment {reference!r}")
        if found.name in self.declared:
            return found.name
        if self._prune:
            raise LookupError(f"no file declares {found.name!r}, so that --prune would delete it")
        return found.id

    def _without_cycle(self, graph: Mapping[Node, dict[Node, str]], way: Sequence[Node]) -> str:
        """Cuts a cycle where a file closes it, and says what was wrong there."""
        source, target = next((source, target) for source, target in pairwise(way) if source in self.declared)
        path = graph[source].pop(target)
        names = " -> ".join(node if isinstance(node, str) else self._by_id[node].name for node in way)
        return f"{self.declared[str(source)].place}.definition: {path}: a segment cannot depend on itself: {names}"

"""Which segments a definition refers to, and whether it may."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from services.definition import DefinitionError, SegmentMembership, leaves, parse
from services.segments import reference_store, store

Edges = Mapping[int, Collection[int]]


def references(definition: object) -> dict[str, int]:
    """The segments a definition refers to, by the path of the condition; none when it does not parse."""
    try:
        conditions = leaves(parse(definition))
    except DefinitionError:
        return {}
    return {path: leaf.segment_id for path, leaf in conditions if isinstance(leaf, SegmentMembership)}


def wrong_references(
    referred: Mapping[str, int], *, known: Collection[int], edges: Edges, segment_id: int | None
) -> list[str]:
    """What is wrong with the references of a segment's definition, each text with its path.

    `known` are the segments of the tenant, `edges` what each of them refers to; `segment_id` is None for a definition
    that is no segment's.
    """
    return [
        f"{path}.segment_id: {reason}"
        for path, target in referred.items()
        if (reason := _reason(target, known, edges, segment_id))
    ]


async def reference_errors(connection: AsyncConnection, definition: object, segment_id: int | None = None) -> list[str]:
    """What is wrong with the references of a definition that `segment_id` has, or is to have.

    The segments it refers to cannot be deleted until the transaction ends.
    """
    referred = references(definition)
    if not referred:
        return []
    known = await store.keep_segments(connection, set(referred.values()))
    edges = _grouped(await reference_store.references_from(connection, known)) if segment_id is not None else {}
    return wrong_references(referred, known=known, edges=edges, segment_id=segment_id)


def _reason(target: int, known: Collection[int], edges: Edges, segment_id: int | None) -> str:
    if target not in known:
        return f"there is no segment {target}"
    way = _way(edges, target, segment_id)
    return f"a segment cannot depend on itself: {' -> '.join(map(str, (segment_id, *way)))}" if way else ""


def _way(edges: Edges, start: int, goal: int | None) -> list[int]:
    """The segments on a shortest way along references, both ends included; empty when there is none."""
    came_from = {start: start}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        if here == goal:
            return _walked(came_from, here)
        for there in edges.get(here, ()):
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    return []


def _walked(came_from: Mapping[int, int], end: int) -> list[int]:
    way = [end]
    while came_from[way[0]] != way[0]:
        way.insert(0, came_from[way[0]])
    return way


def _grouped(pairs: Iterable[tuple[int, int]]) -> Edges:
    edges: dict[int, list[int]] = {}
    for segment_id, referenced_id in pairs:
        edges.setdefault(segment_id, []).append(referenced_id)
    return edges

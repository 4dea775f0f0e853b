"""Segments for those who ask the warehouse about them themselves: with what their definitions refer to."""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from services.kit.postgres import Database
from services.segments import listing, ready_store
from services.segments.evaluation import Evaluations
from services.segments.queueing import NoDefinition
from services.segments.references import references
from services.segments.values import encoded

# Of definitions in one message, which may have 17 MiB.
MOST_CHARACTERS = 2_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Referred:
    """A segment that is referred to, and the last run of its ledger, which the warehouse has; 0 before the first."""

    id: int
    name: str
    run: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A segment whose definition the warehouse can evaluate."""

    id: int
    name: str
    # As JSON text.
    definition: str
    referred: Sequence[Referred]


async def ready_segment(database: Database, evaluations: Evaluations, tenant_id: int, segment_id: int) -> Ready:
    """One segment. Raises NotFound, or NoDefinition."""
    segment = await listing.find(database, tenant_id, segment_id)
    if segment.definition is None:
        raise NoDefinition
    referred = await _referred(database, evaluations, tenant_id, set(references(segment.definition).values()))
    definition = encoded(segment.definition)
    return Ready(id=segment.id, name=segment.name, definition=definition, referred=list(referred.values()))


async def active_segments(database: Database, evaluations: Evaluations, tenant_id: int) -> AsyncGenerator[list[Ready]]:
    """The active segments that have a definition, by id, some at a time. Keeps a connection until it ends."""
    async with aclosing(_active_segments(database, evaluations, tenant_id)) as segments:
        async for batch in batches(segments):
            yield batch


async def batches(segments: AsyncIterable[Ready]) -> AsyncGenerator[list[Ready]]:
    """The segments in as few lists as messages can take."""
    waiting: list[Ready] = []
    characters = 0
    async for segment in segments:
        if waiting and characters + len(segment.definition) > MOST_CHARACTERS:
            yield waiting
            waiting, characters = [], 0
        waiting.append(segment)
        characters += len(segment.definition)
    if waiting:
        yield waiting


async def _active_segments(database: Database, evaluations: Evaluations, tenant_id: int) -> AsyncGenerator[Ready]:
    async with database.tenant(tenant_id) as connection:
        referred_ids = set(await ready_store.referred_by_active(connection))
    referred = await _referred(database, evaluations, tenant_id, referred_ids)
    async with database.tenant(tenant_id) as connection:
        async for row in ready_store.stream_active(connection):
            ids = references(row.definition).values() if referred else ()
            yield Ready(
                id=row.id,
                name=row.name,
                definition=encoded(row.definition),
                # One that was referred to since then counts as never computed.
                referred=[referred[segment_id] for segment_id in ids if segment_id in referred],
            )


async def _referred(
    database: Database, evaluations: Evaluations, tenant_id: int, segment_ids: set[int]
) -> Mapping[int, Referred]:
    if not segment_ids:
        return {}
    runs = await evaluations.runs(tenant_id, segment_ids)
    async with database.tenant(tenant_id) as connection:
        names = await ready_store.names_of(connection, segment_ids)
    return {
        segment_id: Referred(id=segment_id, name=names[segment_id], run=run)
        for segment_id, run in runs.items()
        if segment_id in names
    }

"""SQL of segments that are made ready to evaluate. Sessions are one tenant's, as in `store`."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.segments import segment_references, segments

# Definitions may be long.
CHUNK_ROWS = 50

_IS_READY = (segments.c.is_active, segments.c.definition.is_not(None))


async def names_of(connection: AsyncConnection, segment_ids: Collection[int]) -> dict[int, str]:
    """The names of segments by their ids."""
    found = await connection.execute(select(segments.c.id, segments.c.name).where(segments.c.id.in_(segment_ids)))
    return {row.id: row.name for row in found}


async def referred_by_active(connection: AsyncConnection) -> Sequence[int]:
    """The segments that active ones refer to."""
    statement = (
        select(segment_references.c.referenced_id)
        .join(segments, segments.c.id == segment_references.c.segment_id)
        .where(*_IS_READY)
        .distinct()
    )
    return (await connection.scalars(statement)).all()


async def stream_active(connection: AsyncConnection) -> AsyncIterator[Row[int, str, Any]]:
    """Id, name and definition of the active segments that have one, by id."""
    columns = (segments.c.id, segments.c.name, segments.c.definition)
    statement = select(*columns).where(*_IS_READY).order_by(segments.c.id)
    rows = await connection.stream(statement, execution_options={"yield_per": CHUNK_ROWS})
    async for row in rows:
        yield row

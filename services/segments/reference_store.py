"""SQL of what refers to segments: other segments, and connectors. Sessions are one tenant's, as in `store`."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import activations
from services.schema.segments import segment_references, segments

# First half of the advisory locks that let one definition with references be saved at a time; the second half is the
# tenant's id.
REFERENCES_LOCK = 7_382_014


async def take_references_turn(connection: AsyncConnection, tenant_id: int) -> None:
    """Waits until no other transaction saves references in the tenant, and keeps others out until this one ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, :tenant_id)"), {"space": REFERENCES_LOCK, "tenant_id": tenant_id}
    )


async def references_from(connection: AsyncConnection, segment_ids: Collection[int]) -> Sequence[tuple[int, int]]:
    """Every reference of these segments and of those they refer to, directly or through others: from and to."""
    statement = text("""
        WITH RECURSIVE found AS (
          SELECT segment_id, referenced_id FROM segment_references WHERE segment_id = ANY (:segment_ids)
          UNION
          SELECT following.segment_id, following.referenced_id
          FROM segment_references AS following JOIN found ON following.segment_id = found.referenced_id)
        SELECT segment_id, referenced_id FROM found""")
    found = await connection.execute(statement, {"segment_ids": list(segment_ids)})
    return [(segment_id, referenced_id) for segment_id, referenced_id in found]


async def replace_references(connection: AsyncConnection, segment: Row[Any], referenced_ids: Collection[int]) -> None:
    """Makes these the segments that the segment refers to."""
    await connection.execute(delete(segment_references).where(segment_references.c.segment_id == segment.id))
    rows = [
        {"segment_id": segment.id, "referenced_id": referenced_id, "tenant_id": segment.tenant_id}
        for referenced_id in referenced_ids
    ]
    if rows:
        await connection.execute(insert(segment_references), rows)


async def list_dependents(connection: AsyncConnection, segment_id: int) -> Sequence[Row[int, str]]:
    """Id and name of the segments that refer to a segment."""
    statement = (
        select(segments.c.id, segments.c.name)
        .join(segment_references, segment_references.c.segment_id == segments.c.id)
        .where(segment_references.c.referenced_id == segment_id)
        .order_by(segments.c.id)
    )
    return (await connection.execute(statement)).all()


async def list_connectors(connection: AsyncConnection, segment_id: int) -> Sequence[Row[int, str]]:
    """Id and type of the connectors that send a segment, or sent it and have yet to take its users back."""
    segment_ids = (activations.c.segment_id, activations.c.sent_segment_id, activations.c.target_segment_id)
    statement = (
        select(activations.c.id, activations.c.connector_type)
        .where(or_(*(column == segment_id for column in segment_ids)))
        .order_by(activations.c.id)
    )
    return (await connection.execute(statement)).all()


async def lock_with_dependents(connection: AsyncConnection, segment_id: int) -> Sequence[Row[Any]]:
    """A segment and those that refer to it, locked as by `lock_segment`: by id, so that none wait for each other."""
    dependents = select(segment_references.c.segment_id).where(segment_references.c.referenced_id == segment_id)
    statement = (
        select(segments)
        .where(or_(segments.c.id == segment_id, segments.c.id.in_(dependents)))
        .order_by(segments.c.id)
        .with_for_update(key_share=True)
    )
    return (await connection.execute(statement)).all()


async def is_upstream_computing(connection: AsyncConnection, segment_id: int) -> bool:
    """Whether a segment that this one refers to, directly or through others, is computing."""
    statement = text("""
        WITH RECURSIVE upstream AS (
          SELECT referenced_id AS id FROM segment_references WHERE segment_id = :segment_id
          UNION
          SELECT referenced_id FROM segment_references JOIN upstream ON segment_id = upstream.id)
        SELECT EXISTS (SELECT FROM segments JOIN upstream USING (id) WHERE status = 'computing')""")
    return bool(await connection.scalar(statement, {"segment_id": segment_id}))

"""All SQL of the segments service. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.postgres import driver_connection
from services.schema.segments import memberships, segment_versions, segments

# First half of the advisory locks that let one compute of a segment run at a time; the second half is the segment's id.
COMPUTE_LOCK = 7_382_012
RESCUE_LOCK = 7_382_013


async def count_segments(connection: AsyncConnection, search: str) -> int:
    statement = select(func.count()).select_from(segments).where(segments.c.name.icontains(search, autoescape=True))
    return int((await connection.execute(statement)).scalar_one())


async def list_segments(connection: AsyncConnection, search: str, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """Segments by id whose name contains `search`, whatever the case."""
    statement = (
        select(segments)
        .where(segments.c.name.icontains(search, autoescape=True))
        .order_by(segments.c.id)
        .limit(limit)
        .offset(offset)
    )
    return (await connection.execute(statement)).all()


async def find_segment(connection: AsyncConnection, segment_id: int) -> Row[Any] | None:
    return (await connection.execute(select(segments).where(segments.c.id == segment_id))).one_or_none()


async def lock_segment(connection: AsyncConnection, segment_id: int) -> Row[Any] | None:
    """The segment, locked against other changes until the transaction ends. A running compute does not hold it up."""
    statement = select(segments).where(segments.c.id == segment_id).with_for_update(key_share=True)
    return (await connection.execute(statement)).one_or_none()


async def keep_segment(connection: AsyncConnection, segment_id: int) -> bool:
    """Keeps the segment from being deleted until the transaction ends; False when it is gone."""
    statement = select(segments.c.id).where(segments.c.id == segment_id).with_for_update(read=True, key_share=True)
    return (await connection.execute(statement)).one_or_none() is not None


async def add_segment(connection: AsyncConnection, columns: Mapping[str, object]) -> Row[Any]:
    statement = insert(segments).values(**columns).returning(*segments.c)
    return (await connection.execute(statement)).one()


async def change_segment(connection: AsyncConnection, segment_id: int, columns: Mapping[str, object]) -> Row[Any]:
    statement = update(segments).where(segments.c.id == segment_id).values(**columns).returning(*segments.c)
    return (await connection.execute(statement)).one()


async def add_version(connection: AsyncConnection, segment: Row[Any], created_by: str) -> None:
    """Records the segment's current definition as its current version."""
    await connection.execute(
        insert(segment_versions).values(
            segment_id=segment.id,
            version=segment.version,
            tenant_id=segment.tenant_id,
            definition=segment.definition,
            created_by=created_by,
        )
    )


async def delete_segment(connection: AsyncConnection, segment_id: int) -> bool:
    """Deletes a segment with its versions and membership; whether there was one. Waits for a compute that writes."""
    # The segment first: from here on no compute can add members.
    if (await connection.execute(delete(segments).where(segments.c.id == segment_id))).rowcount == 0:
        return False
    await connection.execute(delete(memberships).where(memberships.c.segment_id == segment_id))
    return True


async def list_members(
    connection: AsyncConnection, segment_id: int, *, after: str, limit: int
) -> Sequence[Row[str, datetime]]:
    """Members by user id, those after `after`."""
    statement = (
        select(memberships.c.user_id, memberships.c.entered_at)
        .where(memberships.c.segment_id == segment_id, memberships.c.user_id > after)
        .order_by(memberships.c.user_id)
        .limit(limit)
    )
    return (await connection.execute(statement)).all()


async def segments_of_user(connection: AsyncConnection, tenant_id: int, user_id: str) -> Sequence[Row[Any]]:
    """The segments one user is in, by name."""
    statement = (
        select(segments)
        .join(memberships, memberships.c.segment_id == segments.c.id)
        .where(memberships.c.tenant_id == tenant_id, memberships.c.user_id == user_id)
        .order_by(segments.c.name, segments.c.id)
    )
    return (await connection.execute(statement)).all()


async def take_compute_turn(connection: AsyncConnection, segment_id: int) -> None:
    """Waits until no other transaction computes the segment, and keeps others out until this one ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, :segment_id)"), {"space": COMPUTE_LOCK, "segment_id": segment_id}
    )


async def copy_matches(connection: AsyncConnection, chunks: AsyncIterable[bytes]) -> int:
    """Streams user ids, one a line in COPY's text format, into the transaction's own table `matches`; how many."""
    driver = driver_connection(connection)
    await driver.execute('CREATE TEMPORARY TABLE matches (user_id text COLLATE "C") ON COMMIT DROP')
    async with driver.cursor() as cursor:
        async with cursor.copy("COPY matches (user_id) FROM STDIN") as copy:
            async for chunk in chunks:
                await copy.write(chunk)
        return cursor.rowcount


async def drop_exits(connection: AsyncConnection, segment_id: int) -> int:
    """Ends the membership of users who are not in `matches`; how many."""
    statement = text("""
        DELETE FROM memberships WHERE segment_id = :segment_id
        AND NOT EXISTS (SELECT FROM matches WHERE matches.user_id = memberships.user_id)""")
    return (await connection.execute(statement, {"segment_id": segment_id})).rowcount


async def add_entries(connection: AsyncConnection, tenant_id: int, segment_id: int, entered_at: datetime) -> int:
    """Makes members of the users in `matches` who are not yet; how many. Sorted, which the indexes take fastest."""
    statement = text("""
        INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
        SELECT :tenant_id, matches.user_id, :segment_id, :entered_at FROM matches
        WHERE NOT EXISTS (
          SELECT FROM memberships WHERE segment_id = :segment_id AND memberships.user_id = matches.user_id)
        ORDER BY matches.user_id""")
    values = {"tenant_id": tenant_id, "segment_id": segment_id, "entered_at": entered_at}
    return (await connection.execute(statement, values)).rowcount


async def take_rescue_turn(connection: AsyncConnection) -> bool:
    """Whether this transaction is the only one that may put back the jobs of killed workers until it ends."""
    return bool(await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": RESCUE_LOCK}))

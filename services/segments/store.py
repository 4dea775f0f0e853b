"""All SQL of the segments service. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.segments import membership_changes, memberships, segment_versions, segments

# First half of the advisory locks that let one transaction of a tenant at a time queue what is due; the second half is
# the tenant's id.
SCHEDULE_LOCK = 7_382_016


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
    return bool(await keep_segments(connection, [segment_id]))


async def keep_segments(connection: AsyncConnection, segment_ids: Collection[int]) -> dict[int, int]:
    """Keeps segments from being deleted until the transaction ends: the last run of each that there is, 0 for none."""
    statement = (
        select(segments.c.id, func.coalesce(segments.c.last_run_id, 0).label("last_run"))
        .where(segments.c.id.in_(segment_ids))
        .order_by(segments.c.id)
        .with_for_update(read=True, key_share=True)
    )
    return {row.id: row.last_run for row in await connection.execute(statement)}


async def claim_segment(connection: AsyncConnection, segment_id: int) -> bool:
    """Locks a segment that is to be deleted: nothing can be added that belongs or refers to it. False when it is gone.

    Waits for a compute that writes.
    """
    statement = select(segments.c.id).where(segments.c.id == segment_id).with_for_update()
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


async def delete_segment(connection: AsyncConnection, segment_id: int) -> None:
    """Deletes a claimed segment with all that belongs to it."""
    for table in (memberships, membership_changes):
        await connection.execute(delete(table).where(table.c.segment_id == segment_id))
    await connection.execute(delete(segments).where(segments.c.id == segment_id))


async def count_versions(connection: AsyncConnection, segment_id: int) -> int:
    statement = select(func.count()).select_from(segment_versions).where(segment_versions.c.segment_id == segment_id)
    return int((await connection.execute(statement)).scalar_one())


async def list_versions(connection: AsyncConnection, segment_id: int, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """The definitions a segment has had, newest first."""
    statement = (
        select(segment_versions)
        .where(segment_versions.c.segment_id == segment_id)
        .order_by(segment_versions.c.version.desc())
        .limit(limit)
        .offset(offset)
    )
    return (await connection.execute(statement)).all()


async def due_segments(connection: AsyncConnection, most: int) -> Sequence[tuple[int, int]]:
    """Tenant and id of the segments of all tenants whose scheduled compute is due, the longest due first."""
    due = await connection.execute(text("SELECT tenant_id, segment_id FROM due_segments(:most)"), {"most": most})
    return [(tenant_id, segment_id) for tenant_id, segment_id in due]


async def take_schedule_turn(connection: AsyncConnection, tenant_id: int) -> bool:
    """Whether this transaction is the only one that may queue the tenant's due segments until it ends."""
    statement = text("SELECT pg_try_advisory_xact_lock(:space, :tenant_id)")
    return bool(await connection.scalar(statement, {"space": SCHEDULE_LOCK, "tenant_id": tenant_id}))


async def lock_due_segments(
    connection: AsyncConnection, segment_ids: Collection[int], now: datetime
) -> Sequence[Row[Any]]:
    """Those of these segments that are due and that nobody else has locked, locked as by `lock_segment`."""
    statement = (
        select(segments)
        .where(segments.c.id.in_(segment_ids), segments.c.refresh_at <= now)
        .order_by(segments.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return (await connection.execute(statement)).all()


async def list_members(connection: AsyncConnection, segment_id: int, *, after: str, limit: int) -> Sequence[Row[Any]]:
    """The segment's size and last compute, and beside them its members by user id, those after `after`.

    One statement, which sees one membership whole. A single row without a member when there are none; no row without
    the segment.
    """
    page = (
        select(memberships.c.user_id, memberships.c.entered_at)
        .where(memberships.c.segment_id == segment_id, memberships.c.user_id > after)
        .order_by(memberships.c.user_id)
        .limit(limit)
        .subquery()
    )
    statement = (
        select(page, segments.c.last_computed_at, segments.c.member_count)
        .select_from(segments.outerjoin(page, true()))
        .where(segments.c.id == segment_id)
        .order_by(page.c.user_id)
    )
    return (await connection.execute(statement)).all()


async def stream_members(
    connection: AsyncConnection, segment_id: int, *, chunk: int
) -> AsyncIterator[Sequence[Row[str, datetime, datetime]]]:
    """All members by user id, `chunk` at a time: user id, since when, and the compute that last confirmed them."""
    # One statement sees one moment, however long its rows take to read.
    computed_at = select(segments.c.last_computed_at).where(segments.c.id == segment_id).scalar_subquery()
    statement = (
        select(memberships.c.user_id, memberships.c.entered_at, computed_at)
        .where(memberships.c.segment_id == segment_id)
        .order_by(memberships.c.user_id)
    )
    rows = await connection.stream(statement, execution_options={"yield_per": chunk})
    return rows.partitions()


async def segments_of_user(
    connection: AsyncConnection, tenant_id: int, user_ids: Collection[str]
) -> Sequence[Row[Any]]:
    """The segments that one of these ids of a user is in, by name."""
    found = select(memberships.c.segment_id).where(
        memberships.c.tenant_id == tenant_id, memberships.c.user_id.in_(user_ids)
    )
    statement = select(segments).where(segments.c.id.in_(found)).order_by(segments.c.name, segments.c.id)
    return (await connection.execute(statement)).all()

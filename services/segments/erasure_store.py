"""SQL of erasing users from memberships, ledgers and exports. Sessions are one tenant's, as in `store`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.profiles import erasures
from services.schema.segments import exports, memberships, segment_runs, segments
from services.segments import export_store

# In the place of a compute's cause.
CAUSE = "erasure"

_SEGMENTS = text("""
    SELECT segment_id FROM memberships WHERE tenant_id = :tenant_id AND user_id = ANY (:user_ids)
    UNION
    SELECT changes.segment_id FROM membership_changes AS changes
    JOIN segment_runs AS runs ON runs.segment_id = changes.segment_id AND runs.id = changes.run_id
    WHERE runs.tenant_id = :tenant_id AND (runs.entered > 0 OR runs.exited > 0) AND user_id = ANY (:user_ids)
    ORDER BY segment_id""")

# The runs tell how many changes there are of them.
_CHANGES = text("""
    WITH gone AS (
      DELETE FROM membership_changes WHERE segment_id = :segment_id AND user_id = ANY (:user_ids)
      RETURNING run_id, entered),
    counts AS (
      SELECT run_id, count(*) FILTER (WHERE entered) AS entered, count(*) FILTER (WHERE NOT entered) AS exited
      FROM gone GROUP BY run_id),
    runs AS (
      UPDATE segment_runs SET entered = segment_runs.entered - counts.entered,
        exited = segment_runs.exited - counts.exited
      FROM counts WHERE segment_runs.id = counts.run_id)
    SELECT count(*) FROM gone""")


async def being_erased(connection: AsyncConnection) -> Sequence[str]:
    """The ids of users whose erasure is not complete."""
    statement = select(func.unnest(erasures.c.user_ids)).where(erasures.c.status != "complete")
    return (await connection.execute(statement)).scalars().all()


async def computing_segments(connection: AsyncConnection) -> Sequence[int]:
    """The segments that are computed, or wait for it."""
    return (await connection.execute(select(segments.c.id).where(segments.c.status == "computing"))).scalars().all()


async def segments_of(connection: AsyncConnection, tenant_id: int, user_ids: Sequence[str]) -> Sequence[int]:
    """The segments in which users are, or were."""
    values = {"tenant_id": tenant_id, "user_ids": list(user_ids)}
    return (await connection.execute(_SEGMENTS, values)).scalars().all()


async def delete_memberships(connection: AsyncConnection, segment_id: int, user_ids: Sequence[str]) -> int:
    """Takes users out of a segment; how many were in it."""
    named = (memberships.c.segment_id == segment_id) & memberships.c.user_id.in_(user_ids)
    return (await connection.execute(delete(memberships).where(named))).rowcount


async def delete_changes(connection: AsyncConnection, segment_id: int, user_ids: Sequence[str]) -> int:
    """Takes users out of a segment's ledger; how many changes there were."""
    values = {"segment_id": segment_id, "user_ids": list(user_ids)}
    return int((await connection.execute(_CHANGES, values)).scalar_one())


async def write_run(connection: AsyncConnection, segment_id: int, exited: int, now: datetime) -> None:
    """Records that a segment has fewer members, in its ledger without saying who, and in the segment."""
    lowered = (
        update(segments)
        .where(segments.c.id == segment_id)
        .values(member_count=segments.c.member_count - exited)
        .returning(segments.c.tenant_id, segments.c.version, segments.c.member_count)
    )
    row = (await connection.execute(lowered)).one()
    run = insert(segment_runs).values(
        **row._asdict(), segment_id=segment_id, cause=CAUSE, computed_at=now, entered=0, exited=0
    )
    run_id = (await connection.execute(run.returning(segment_runs.c.id))).scalar_one()
    await connection.execute(update(segments).where(segments.c.id == segment_id).values(last_run_id=run_id))


async def take_export_turns(connection: AsyncConnection, segment_id: int) -> None:
    """Waits until no export of a segment is being written, and keeps those that wait out until the transaction ends."""
    unfinished = select(exports.c.id).where(
        exports.c.segment_id == segment_id, exports.c.status.in_(export_store.UNFINISHED)
    )
    for export_id in (await connection.execute(unfinished.order_by(exports.c.id))).scalars().all():
        await export_store.take_export_turn(connection, export_id)


async def expire_exports(connection: AsyncConnection, segment_id: int) -> None:
    """Ends the time of a segment's exports. They keep the keys of their files until those are deleted."""
    complete = (exports.c.segment_id == segment_id) & (exports.c.status == "complete")
    await connection.execute(update(exports).where(complete).values(status="expired"))


async def files_to_delete(connection: AsyncConnection) -> Sequence[str]:
    """The keys of files of exports whose time was ended."""
    statement = select(exports.c.object_key).where(exports.c.status == "expired", exports.c.object_key.is_not(None))
    return (await connection.execute(statement)).scalars().all()


async def forget_file(connection: AsyncConnection, key: str) -> None:
    """Records that a file was deleted."""
    await connection.execute(update(exports).where(exports.c.object_key == key).values(object_key=None))

"""The SQL of exports. Sessions are one tenant's, but for `expired_exports`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.segments import exports, segments

# First half of the advisory locks that let one job write an export at a time; the second half is the export's id.
EXPORT_LOCK = 7_382_015

UNFINISHED = ("pending", "running")


async def add_export(connection: AsyncConnection, tenant_id: int, segment_id: int, file_format: str) -> int:
    """Records an export that waits; its id."""
    statement = insert(exports).values(tenant_id=tenant_id, segment_id=segment_id, format=file_format)
    return int((await connection.execute(statement.returning(exports.c.id))).scalar_one())


async def find_export(connection: AsyncConnection, export_id: int) -> Row[Any] | None:
    """An export, with its segment's name."""
    statement = (
        select(exports, segments.c.name.label("segment_name"))
        .join(segments, segments.c.id == exports.c.segment_id)
        .where(exports.c.id == export_id)
    )
    return (await connection.execute(statement)).one_or_none()


async def take_export_turn(connection: AsyncConnection, export_id: int) -> None:
    """Waits until no other transaction writes the export, and keeps others out until this one ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, :export_id)"), {"space": EXPORT_LOCK, "export_id": export_id}
    )


async def change_export(connection: AsyncConnection, export_id: int, columns: Mapping[str, object]) -> None:
    """Changes an export that waits or runs, and no other."""
    statement = update(exports).where(exports.c.id == export_id, exports.c.status.in_(UNFINISHED)).values(**columns)
    await connection.execute(statement)


async def expired_exports(connection: AsyncConnection, most: int) -> Sequence[Row[int, int]]:
    """Tenant and id of exports of all tenants whose time is over and that are not marked so."""
    statement = text("SELECT tenant_id, export_id FROM expired_exports(:most)")
    return (await connection.execute(statement, {"most": most})).all()


async def mark_expired(connection: AsyncConnection, export_ids: Collection[int]) -> None:
    """Marks exports as expired, without a file."""
    statement = update(exports).where(exports.c.id.in_(export_ids)).values(status="expired", object_key=None)
    await connection.execute(statement)


async def exports_with_files(connection: AsyncConnection, export_ids: Collection[int]) -> Mapping[int, str | None]:
    """Of these exports, those that have a file, with its key, and those that may be writing one, with None."""
    statement = select(exports.c.id, exports.c.object_key).where(
        exports.c.id.in_(export_ids), or_(exports.c.object_key.is_not(None), exports.c.status.in_(UNFINISHED))
    )
    return {row.id: row.object_key for row in await connection.execute(statement)}

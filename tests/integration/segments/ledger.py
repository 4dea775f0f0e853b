"""What PostgreSQL holds about segments beside what the service answers."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from services.kit.postgres import Database
from tests.integration.segments.calling import Tenant


async def runs(database: Database, tenant: Tenant, *segment_ids: int) -> list[Row[Any]]:
    """The runs of these segments' ledgers, in order."""
    statement = "SELECT * FROM segment_runs WHERE segment_id = ANY (:ids) ORDER BY id"
    return await rows(database, tenant, statement, ids=list(segment_ids))


async def changes(database: Database, tenant: Tenant, segment_id: int) -> list[list[str]]:
    """Per run that changed something, who entered (`+u`) and who left (`-u`), in order."""
    statement = """
        SELECT array_agg(CASE WHEN entered THEN '+' ELSE '-' END || user_id ORDER BY user_id) AS changed
        FROM membership_changes WHERE segment_id = :id GROUP BY run_id ORDER BY run_id"""
    return [row.changed for row in await rows(database, tenant, statement, id=segment_id)]


async def refresh_at(database: Database, tenant: Tenant, segment_id: int) -> datetime | None:
    """When the schedule computes a segment next."""
    [row] = await rows(database, tenant, "SELECT refresh_at FROM segments WHERE id = :id", id=segment_id)
    planned: datetime | None = row.refresh_at
    return planned


async def make_due(database: Database, tenant: Tenant, segment_id: int, ago: timedelta = timedelta(0)) -> None:
    """Makes a segment due, as if the time of its schedule had come so long ago."""
    async with database.tenant(tenant.id) as connection:
        statement = text("UPDATE segments SET refresh_at = now() - :ago WHERE id = :id")
        await connection.execute(statement, {"id": segment_id, "ago": ago})


async def rows(database: Database, tenant: Tenant, statement: str, **values: Any) -> list[Row[Any]]:
    """What a query finds among a tenant's rows."""
    async with database.tenant(tenant.id) as connection:
        return list(await connection.execute(text(statement), values))

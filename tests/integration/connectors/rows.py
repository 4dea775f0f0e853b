"""Rows of other services, as connectors find them, and of connectors, as a sync leaves them."""

from typing import Any

from sqlalchemy import Row, insert, select, update

from services.kit.postgres import Database
from services.schema.connectors import activation_logs, activations
from services.schema.segments import segments


async def add_segment(database: Database, tenant_id: int, *, last_run_id: int | None = 1) -> int:
    """A segment; its id. Without a last run it was never computed."""
    async with database.tenant(tenant_id) as connection:
        statement = insert(segments).values(tenant_id=tenant_id, name="Buyers", last_run_id=last_run_id)
        return int((await connection.execute(statement.returning(segments.c.id))).scalar_one())


async def row_of(database: Database, tenant_id: int, activation_id: int) -> Row[Any]:
    """A connector's row."""
    async with database.tenant(tenant_id) as connection:
        return (await connection.execute(select(activations).where(activations.c.id == activation_id))).one()


async def set_row(database: Database, tenant_id: int, activation_id: int, **columns: object) -> None:
    """Changes a connector's row."""
    async with database.tenant(tenant_id) as connection:
        await connection.execute(update(activations).where(activations.c.id == activation_id).values(**columns))


async def add_log(database: Database, tenant_id: int, activation_id: int, **columns: object) -> None:
    """An attempt to sync a connector, successful if nothing else is said."""
    row = {"status": "success", "added": 0, "removed": 0, "user_count": 0, "attempt": 1, **columns}
    async with database.tenant(tenant_id) as connection:
        await connection.execute(
            insert(activation_logs).values(tenant_id=tenant_id, activation_id=activation_id, **row)
        )

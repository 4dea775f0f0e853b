"""SQL of plans and monthly counts. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from datetime import date

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.identity import tenants
from services.schema.ingestion import event_counts


async def plan_of(connection: AsyncConnection, tenant_id: int) -> str | None:
    """The name of a tenant's plan; None for no tenant."""
    plan: str | None = await connection.scalar(select(tenants.c.plan).where(tenants.c.id == tenant_id))
    return plan


async def lock_count(connection: AsyncConnection, tenant_id: int, month: date) -> int:
    """How many events of a month are counted. No other transaction changes it before the end of this one."""
    statement = (
        insert(event_counts)
        .values(tenant_id=tenant_id, month=month, events=0)
        .on_conflict_do_update(index_elements=["tenant_id", "month"], set_={"events": event_counts.c.events})
        .returning(event_counts.c.events)
    )
    return int((await connection.execute(statement)).scalar_one())


async def add_to_count(connection: AsyncConnection, tenant_id: int, month: date, events: int) -> None:
    """Counts more events of a month, or fewer."""
    statement = (
        update(event_counts)
        .where(event_counts.c.tenant_id == tenant_id, event_counts.c.month == month)
        .values(events=event_counts.c.events + events)
    )
    await connection.execute(statement)

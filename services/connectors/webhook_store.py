"""SQL of webhooks. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import webhooks


async def count_webhooks(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(webhooks))).scalar_one())


async def list_webhooks(connection: AsyncConnection, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """Webhooks by id."""
    statement = select(webhooks).order_by(webhooks.c.id).limit(limit).offset(offset)
    return (await connection.execute(statement)).all()


async def find_webhook(connection: AsyncConnection, webhook_id: int) -> Row[Any] | None:
    return (await connection.execute(select(webhooks).where(webhooks.c.id == webhook_id))).one_or_none()


async def add_webhook(connection: AsyncConnection, columns: Mapping[str, object]) -> Row[Any]:
    return (await connection.execute(insert(webhooks).values(**columns).returning(*webhooks.c))).one()


async def change_webhook(
    connection: AsyncConnection, webhook_id: int, columns: Mapping[str, object]
) -> Row[Any] | None:
    """A webhook with some columns changed; None when there is none."""
    statement = update(webhooks).where(webhooks.c.id == webhook_id).values(**columns).returning(*webhooks.c)
    return (await connection.execute(statement)).one_or_none()


async def delete_webhook(connection: AsyncConnection, webhook_id: int) -> bool:
    """Deletes a webhook with its deliveries; False when there is none."""
    statement = delete(webhooks).where(webhooks.c.id == webhook_id).returning(webhooks.c.id)
    return (await connection.execute(statement)).one_or_none() is not None

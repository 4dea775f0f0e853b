"""SQL of encrypted secrets, wherever they are."""

from collections.abc import Sequence

from sqlalchemy import Column, Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import activations, webhooks

SEALED: Sequence[Column[bytes]] = (activations.c.secrets, webhooks.c.secret)


async def tenants_with_secrets(connection: AsyncConnection) -> Sequence[int]:
    """The tenants, of all, that have secrets stored."""
    return (await connection.execute(text("SELECT tenant_id FROM tenants_with_secrets()"))).scalars().all()


async def list_sealed(connection: AsyncConnection, column: "Column[bytes]") -> Sequence[Row[int, bytes]]:
    """Id and encrypted secret of the rows of the session's tenant that have one."""
    statement = select(column.table.c.id, column.label("sealed")).where(column.is_not(None))
    return (await connection.execute(statement)).all()


async def replace_sealed(
    connection: AsyncConnection, column: "Column[bytes]", row_id: int, *, sealed: bytes, renewed: bytes
) -> None:
    """Puts an encrypted secret in the place of the one that was read, unless another is there by now."""
    table = column.table
    statement = update(table).where(table.c.id == row_id, column == sealed).values({column: renewed})
    await connection.execute(statement)

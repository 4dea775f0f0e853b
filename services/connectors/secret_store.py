"""SQL of encrypted secrets, wherever they are."""

from collections.abc import Sequence

from sqlalchemy import Column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import activations, webhooks

SEALED: Sequence[Column[bytes]] = (activations.c.secrets, webhooks.c.secret)


async def tenants_with_secrets(connection: AsyncConnection) -> Sequence[int]:
    """The tenants, of all, that have secrets stored."""
    return (await connection.execute(text("SELECT tenant_id FROM tenants_with_secrets()"))).scalars().all()

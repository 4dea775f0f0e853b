"""SQL of Shopify: secrets, webhooks that were taken, and whose the checkouts are."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.ingestion import shopify_checkouts, shopify_deliveries, shopify_integrations


async def find_integration(connection: AsyncConnection, tenant_slug: str) -> Row[Any] | None:
    """The integration of any tenant, with the secret sealed; None when it has none or there is no such tenant."""
    statement = text("SELECT tenant_id, webhook_secret FROM shopify_integration(:slug)")
    return (await connection.execute(statement, {"slug": tenant_slug})).one_or_none()


async def has_secret(connection: AsyncConnection) -> bool:
    """Whether the session's tenant has a secret."""
    return (await connection.execute(select(shopify_integrations.c.tenant_id))).one_or_none() is not None


async def put_secret(connection: AsyncConnection, tenant_id: int, sealed: bytes) -> None:
    """Sets the tenant's secret."""
    statement = insert(shopify_integrations).values(tenant_id=tenant_id, webhook_secret=sealed)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id"], set_={"webhook_secret": statement.excluded.webhook_secret}
        )
    )


async def drop_secret(connection: AsyncConnection) -> None:
    """Takes the secret of the session's tenant away."""
    await connection.execute(delete(shopify_integrations))


async def add_delivery(
    connection: AsyncConnection, tenant_id: int, *, content_hash: bytes, webhook_id: str | None
) -> bool:
    """Notes a webhook; False when its content or its id was noted before.

    While another transaction notes the same, this waits for its end.
    """
    statement = (
        insert(shopify_deliveries)
        .values(tenant_id=tenant_id, content_hash=content_hash, webhook_id=webhook_id)
        .on_conflict_do_nothing()
        .returning(shopify_deliveries.c.tenant_id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def note_checkout(connection: AsyncConnection, tenant_id: int, references: Sequence[str], user_id: str) -> None:
    """Notes whose a checkout is."""
    statement = insert(shopify_checkouts).values(
        [{"tenant_id": tenant_id, "reference": reference, "user_id": user_id} for reference in references]
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "reference"],
            set_={"user_id": statement.excluded.user_id, "received_at": func.now()},
        )
    )


async def checkout_owners(connection: AsyncConnection, references: Sequence[str]) -> Mapping[str, str]:
    """The user ids of those of these checkouts that are known, by reference."""
    columns = shopify_checkouts.c
    query = select(columns.reference, columns.user_id).where(columns.reference.in_(references))
    return {row.reference: row.user_id for row in await connection.execute(query)}


async def forget(connection: AsyncConnection, days: int) -> None:
    """Deletes webhooks and checkouts that are older, for every tenant."""
    await connection.execute(text("SELECT forget_shopify(make_interval(days => :days))"), {"days": days})

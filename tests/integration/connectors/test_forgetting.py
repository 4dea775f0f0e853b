"""Logs and deliveries are kept for a time, those of all tenants alike."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import func, insert, select

from services.connectors.forgetting import Forgetter
from services.kit.postgres import Database
from services.schema.connectors import activation_logs, activations, webhook_deliveries, webhooks
from tests.integration.connectors.rows import add_log, add_segment

OLD, YOUNG = (datetime.now(UTC) - timedelta(days=days) for days in (91, 89))


async def test_what_is_older_is_forgotten_but_a_delivery_that_is_still_tried(
    database: Database, tenant_id: int
) -> None:
    tenant_ids = (tenant_id, tenant_id + 500_000)
    for each in tenant_ids:
        await fill(database, each)
    await Forgetter(database, keep_days=90).forget()
    for each in tenant_ids:
        async with database.tenant(each) as connection:
            logs = (await connection.execute(select(activation_logs.c.synced_at))).scalars().all()
            left = select(webhook_deliveries.c.status, func.count()).group_by(webhook_deliveries.c.status)
            deliveries = {row[0]: row[1] for row in await connection.execute(left)}
        assert logs == [YOUNG]
        assert deliveries == {"pending": 2, "delivered": 1, "failed": 1}


async def fill(database: Database, tenant_id: int) -> None:
    """A connector with an old and a young log, a webhook with old and young deliveries of each status."""
    own = {"tenant_id": tenant_id, "segment_id": await add_segment(database, tenant_id)}
    async with database.tenant(tenant_id) as connection:
        connector = insert(activations).values(connector_type="tool", config={}, **own)
        connector_id = (await connection.execute(connector.returning(activations.c.id))).scalar_one()
        hook = insert(webhooks).values(tenant_id=tenant_id, url="https://example.com")
        webhook_id = (await connection.execute(hook.returning(webhooks.c.id))).scalar_one()
        for number, status in enumerate(("pending", "delivered", "failed")):
            for age, created_at in enumerate((OLD, YOUNG)):
                run = {"run_id": 2 * number + age, "body": "{}"}
                made = {"id": uuid4(), "webhook_id": webhook_id, "created_at": created_at}
                await connection.execute(insert(webhook_deliveries).values(status=status, **own, **run, **made))
    for synced_at in (OLD, YOUNG):
        await add_log(database, tenant_id, connector_id, synced_at=synced_at)

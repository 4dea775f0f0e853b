"""A tenant's webhooks, and computes that they are told of."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Update, update

from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit import jobs
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.schema.connectors import webhook_deliveries, webhooks
from tests.integration.connectors.calling import Tenant
from tests.integration.connectors.ledger import Segment
from tests.integration.segments.calling import until


class Hooks:
    """The webhooks of a tenant with a slug and a segment."""

    def __init__(self, database: Database, tenant: Tenant, slug: str, segment: Segment) -> None:
        self.tenant = tenant
        self.slug = slug
        self.segment = segment
        self._database = database

    @classmethod
    async def create(cls, settings: Settings, database: Database, tenant: Tenant) -> "Hooks":
        """For a tenant that the identity service has not made."""
        slug = f"tenant-{tenant.id}"
        with psycopg.connect(settings.libpq_dsn, autocommit=True) as connection:
            row = (tenant.id, slug, slug, "enterprise")
            connection.execute("INSERT INTO tenants (id, slug, name, plan) VALUES (%s, %s, %s, %s)", row)
        return cls(database, tenant, slug, await Segment.create(database, tenant.id))

    async def add(self, url: str, **fields: Any) -> pb.Webhook:
        """A new webhook."""
        made: pb.Webhook = await self.tenant.call("CreateWebhook", pb.CreateWebhookRequest(url=url, **fields))
        return made

    async def change(self, webhook_id: int, **fields: Any) -> pb.Webhook:
        """Changes the given fields of a webhook."""
        changed: pb.Webhook = await self.tenant.call("UpdateWebhook", pb.UpdateWebhookRequest(id=webhook_id, **fields))
        return changed

    async def compute(self, members: Sequence[str] = ()) -> int:
        """A compute that finds these users; the id of its run."""
        run_id = await self.segment.compute(members)
        await self.announce(run_id)
        return run_id

    async def announce(self, run_id: int) -> None:
        """Queues the news of a compute, as the segments service does with each."""
        news = {"tenant_id": self.tenant.id, "segment_id": self.segment.id, "run_id": run_id, "request_id": "test"}
        async with self._database.tenant(self.tenant.id) as connection:
            await jobs.put_for("connectors", "computed", connection, **news)

    async def deliveries(self, webhook_id: int) -> Sequence[pb.Delivery]:
        """A webhook's newest deliveries, the newest first."""
        page = await self.tenant.call("ListDeliveries", pb.ListDeliveriesRequest(id=webhook_id, limit=200))
        return list(page.results)

    async def settled(
        self, webhook_id: int, count: int, is_so: Callable[[pb.Delivery], bool] = lambda one: one.status != "pending"
    ) -> Sequence[pb.Delivery]:
        """A webhook's deliveries once there are so many and all are so; by default, none is pending."""

        async def found() -> Sequence[pb.Delivery] | None:
            deliveries = await self.deliveries(webhook_id)
            return deliveries if len(deliveries) == count and all(map(is_so, deliveries)) else None

        return await until(found)

    async def redeliver(self, delivery_id: str) -> pb.Delivery:
        """Sends a delivery again."""
        asked: pb.Delivery = await self.tenant.call(
            "RedeliverWebhook", pb.RedeliverWebhookRequest(delivery_id=delivery_id)
        )
        return asked

    async def set_row(self, delivery_id: str, **columns: object) -> None:
        """Changes a delivery's row."""
        await self._execute(
            update(webhook_deliveries).where(webhook_deliveries.c.id == UUID(delivery_id)).values(**columns)
        )

    async def set_webhook(self, webhook_id: int, **columns: object) -> None:
        """Changes a webhook's row."""
        await self._execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**columns))

    async def _execute(self, statement: Update) -> None:
        async with self._database.tenant(self.tenant.id) as connection:
            await connection.execute(statement)

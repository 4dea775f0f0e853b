"""SQL of webhooks' deliveries. Sessions are one tenant's, but for `due_deliveries`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.schema.connectors import webhook_deliveries, webhooks
from services.schema.identity import tenants
from services.schema.segments import segment_runs, segments


async def find_run(connection: AsyncConnection, run_id: int) -> Row[Any] | None:
    """A compute's run, with its segment's name and its tenant's slug; None when the segment was deleted."""
    statement: Select[Any] = (
        select(
            segment_runs.c.tenant_id,
            segment_runs.c.segment_id,
            segment_runs.c.id,
            segment_runs.c.member_count,
            segment_runs.c.computed_at,
            segments.c.name.label("segment_name"),
            tenants.c.slug.label("tenant_slug"),
        )
        .join(segments, segments.c.id == segment_runs.c.segment_id)
        .join(tenants, tenants.c.id == segment_runs.c.tenant_id)
        .where(segment_runs.c.id == run_id)
    )
    found: Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return found


async def add_deliveries(connection: AsyncConnection, run: Row[Any], body: str) -> None:
    """A delivery of a run to every active webhook that has none yet, due at once."""
    columns = {
        "id": func.gen_random_uuid(),
        "tenant_id": webhooks.c.tenant_id,
        "webhook_id": webhooks.c.id,
        "segment_id": literal(run.segment_id),
        "run_id": literal(run.id),
        "body": literal(body),
        "next_attempt_at": func.now(),
    }
    active = select(*columns.values()).where(webhooks.c.is_active)
    await connection.execute(insert(webhook_deliveries).from_select(list(columns), active).on_conflict_do_nothing())


async def due_deliveries(
    connection: AsyncConnection, most: int, most_of_one: int, passed_over: Collection[int]
) -> Sequence[Row[int, int, UUID]]:
    """Tenant, webhook and id of deliveries of all tenants, the longest due first, but for some webhooks.

    So many in all, and so many of one webhook.
    """
    statement = text("SELECT tenant_id, webhook_id, delivery_id FROM due_deliveries(:most, :most_of_one, :passed_over)")
    bounds = {"most": most, "most_of_one": most_of_one, "passed_over": list(passed_over)}
    return (await connection.execute(statement, bounds)).all()


async def claim_deliveries(
    connection: AsyncConnection, delivery_ids: Collection[UUID], lease: timedelta
) -> Sequence[Row[Any]]:
    """Those of these deliveries that are due and that nobody else has claimed, each with its webhook.

    They are due again when the lease is over.
    """
    due = (
        select(webhook_deliveries.c.id)
        .where(
            webhook_deliveries.c.id.in_(delivery_ids),
            webhook_deliveries.c.status == "pending",
            webhook_deliveries.c.next_attempt_at <= func.now(),
        )
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id.in_(due), webhooks.c.id == webhook_deliveries.c.webhook_id)
        .values(next_attempt_at=func.now() + lease)
        .returning(*webhook_deliveries.c, webhooks.c.url, webhooks.c.secret, webhooks.c.is_active)
    )
    return (await connection.execute(statement)).all()


async def record_attempt(
    connection: AsyncConnection, delivery_id: UUID, claimed_until: datetime, columns: Mapping[str, object]
) -> None:
    """Records what became of a claimed delivery, unless something else became of it meanwhile."""
    statement = (
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.next_attempt_at == claimed_until)
        .values(**columns)
    )
    await connection.execute(statement)


async def fail_pending(connection: AsyncConnection, webhook_id: int, reason: str) -> None:
    """Ends what a webhook was still to be sent."""
    statement = (
        update(webhook_deliveries)
        .where(webhook_deliveries.c.webhook_id == webhook_id, webhook_deliveries.c.status == "pending")
        .values(status="failed", error=reason, next_attempt_at=None)
    )
    await connection.execute(statement)


async def find_delivery(connection: AsyncConnection, delivery_id: UUID) -> Row[Any] | None:
    """A delivery, and whether its webhook is active."""
    statement = (
        select(webhook_deliveries, webhooks.c.is_active)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .where(webhook_deliveries.c.id == delivery_id)
    )
    return (await connection.execute(statement)).one_or_none()


async def ask_again(connection: AsyncConnection, delivery_id: UUID) -> Row[Any]:
    """A delivery as if it had just been created, due at once."""
    statement = (
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id)
        .values(
            status="pending",
            attempts=0,
            response_status=None,
            error=None,
            asked_at=func.now(),
            next_attempt_at=func.now(),
            delivered_at=None,
        )
        .returning(*webhook_deliveries.c)
    )
    return (await connection.execute(statement)).one()


async def count_deliveries(connection: AsyncConnection, webhook_id: int) -> int:
    statement = (
        select(func.count()).select_from(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
    )
    return int((await connection.execute(statement)).scalar_one())


async def list_deliveries(
    connection: AsyncConnection, webhook_id: int, *, limit: int, offset: int
) -> Sequence[Row[Any]]:
    """The deliveries of a webhook, newest first."""
    statement = (
        select(webhook_deliveries)
        .where(webhook_deliveries.c.webhook_id == webhook_id)
        .order_by(webhook_deliveries.c.created_at.desc(), webhook_deliveries.c.id)
        .limit(limit)
        .offset(offset)
    )
    return (await connection.execute(statement)).all()

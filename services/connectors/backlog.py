"""What connectors and webhooks of all tenants have not sent yet, as numbers."""

from sqlalchemy import text

from services.connectors import metrics
from services.kit.postgres import Database

_CONNECTORS = text("SELECT changes, active, failing, in_error, oldest_seconds FROM connector_backlog()")
_DELIVERIES = text("SELECT pending, oldest_seconds FROM delivery_backlog()")


async def look_at_backlog(database: Database) -> None:
    """Notes it for metrics. Raises Unavailable; what was noted before stays then."""
    async with database.system() as connection:
        connectors = (await connection.execute(_CONNECTORS)).one()
        deliveries = (await connection.execute(_DELIVERIES)).one()
    metrics.BACKLOG.set(connectors.changes)
    metrics.BACKLOG_AGE.set(connectors.oldest_seconds)
    metrics.ACTIVE.set(connectors.active)
    metrics.FAILING.set(connectors.failing)
    metrics.IN_ERROR.set(connectors.in_error)
    metrics.PENDING.set(deliveries.pending)
    metrics.PENDING_AGE.set(deliveries.oldest_seconds)

"""What the profiles process tells Prometheus beside what all do. Every such process tells the same."""

from prometheus_client import Gauge
from sqlalchemy import text

from services.kit.postgres import Database

ERASURES = Gauge("segops_erasures_running", "Erasures that are not complete.")
ERASURE_AGE = Gauge("segops_erasure_oldest_seconds", "Age of the oldest erasure that is not complete.")

_LOOK = text("SELECT running, oldest_seconds FROM erasure_backlog()")


async def look_at_erasures(database: Database) -> None:
    """Notes the erasures of all tenants. Raises Unavailable; what was noted before stays then."""
    async with database.system() as connection:
        found = (await connection.execute(_LOOK)).one()
    ERASURES.set(found.running)
    ERASURE_AGE.set(found.oldest_seconds)

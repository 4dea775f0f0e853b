"""Syncs as jobs: queued once, never lost, and one at a time for each connector."""

from procrastinate.blueprints import Blueprint
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors.sync import Syncer
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_patience import Patience
from services.kit import jobs
from services.kit.caller import current_request
from services.kit.postgres import Database

# Of its own, so that syncs that take long do not hold up what computes have to tell.
SYNCS = "syncs"


class SyncQueue:
    """Syncs that wait for a worker. `tasks` is what the worker has to know."""

    def __init__(self, database: Database, destinations: Destinations, patience: Patience) -> None:
        self.tasks = Blueprint()
        syncer = Syncer(database, destinations, self, patience)

        @self.tasks.task(name="sync", queue=SYNCS, retry=jobs.PutBack())
        async def sync(*, tenant_id: int, activation_id: int, request_id: str) -> None:
            await syncer.run(tenant_id, activation_id)

        self._sync = sync

    async def put_sync(
        self, connection: AsyncConnection, *, tenant_id: int, activation_id: int, delay_seconds: float = 0
    ) -> None:
        """Queues a sync in the connection's transaction, in the place of one that waits. Raises Unavailable."""
        await jobs.put(
            self._sync,
            connection,
            delay_seconds=delay_seconds,
            lock=f"sync {activation_id}",
            tenant_id=tenant_id,
            activation_id=activation_id,
            request_id=current_request().id,
        )

"""Passes of erasures as jobs: queued in the transaction that needs them, never lost."""

from procrastinate.blueprints import Blueprint
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import jobs
from services.kit.acting import Actor
from services.kit.caller import current_request
from services.kit.postgres import Database
from services.kit.pseudonyms import Pseudonyms
from services.profiles.erasing import Erasures, Stores

QUEUE = "erasures"


class ErasureQueue:
    """Passes that wait for a worker, and the erasures they are of. `tasks` is what the worker has to know."""

    def __init__(
        self, database: Database, actor: Actor, stores: Stores, pseudonyms: Pseudonyms, *, grace_seconds: float
    ) -> None:
        self.tasks = Blueprint()
        self.erasures = Erasures(database, pseudonyms, self, grace_seconds=grace_seconds)

        @self.tasks.task(name="erase", queue=QUEUE, retry=jobs.PutBack())
        async def erase(*, tenant_id: int, erasure_id: int, request_id: str) -> None:
            async with actor.acting_for(tenant_id, request_id=request_id):
                await self.erasures.run(tenant_id, erasure_id, stores)

        self._erase = erase

    async def put(
        self, connection: AsyncConnection, *, tenant_id: int, erasure_id: int, delay_seconds: float = 0
    ) -> None:
        """Queues the next pass in the connection's transaction. Raises Unavailable."""
        await jobs.put(
            self._erase,
            connection,
            delay_seconds=delay_seconds,
            tenant_id=tenant_id,
            erasure_id=erasure_id,
            request_id=current_request().id,
        )

"""Erasing users from destinations: finding the connectors that may have sent them, and having those take them back."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.connectors import removal_store
from services.connectors.queueing import Queue
from services.kit.postgres import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """How many destinations have removed the users, how many have not yet, and what one of those answered last."""

    told: int
    waiting: int
    last_error: str


class Eraser:
    """Erases users of all tenants. Everything may be done again. Raises Unavailable."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    async def find(self, tenant_id: int, erasure_id: int, user_ids: Sequence[str]) -> None:
        """Notes which connectors may have sent the users, as long as the ledger knows."""
        async with self._database.tenant(tenant_id) as connection:
            await removal_store.find(connection, tenant_id, erasure_id, user_ids)

    async def tell(self, tenant_id: int, erasure_id: int, user_ids: Sequence[str]) -> Told:
        """Has those connectors tell their destinations; how many have, and have not."""
        async with self._database.tenant(tenant_id) as connection:
            for activation_id in await removal_store.begin(connection, erasure_id):
                await self._queue.put_sync(connection, tenant_id=tenant_id, activation_id=activation_id)
            await removal_store.take_names_out(connection, user_ids)
            removals = await removal_store.of_erasure(connection, erasure_id)
        waiting = [removal for removal in removals if removal.user_ids]
        errors = [removal.last_error for removal in waiting if removal.last_error]
        return Told(told=len(removals) - len(waiting), waiting=len(waiting), last_error=errors[0] if errors else "")

    async def forget(self, tenant_id: int, erasure_id: int) -> None:
        """Drops what was noted."""
        async with self._database.tenant(tenant_id) as connection:
            await removal_store.forget(connection, erasure_id)

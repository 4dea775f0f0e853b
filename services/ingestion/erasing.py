"""Erasing users from the lists beside the event log."""

from collections.abc import Mapping, Sequence

from services.ingestion import erasure_store
from services.kit.postgres import Database


class Eraser:
    """Erases users of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase(self, tenant_id: int, user_ids: Sequence[str]) -> Mapping[str, int]:
        """Deletes what names users; how much there was, by list. Nothing is left then. Raises Unavailable."""
        async with self._database.tenant(tenant_id) as connection:
            return {
                listed.name: await erasure_store.erase(connection, listed, user_ids) for listed in erasure_store.LISTS
            }

"""Logs of syncs and deliveries of webhooks are kept for a time."""

from services.connectors import store
from services.kit.postgres import Database

# Between two looks for what is older than it is kept.
FORGET_SECONDS = 3_600.0


class Forgetter:
    """Deletes the logs and deliveries of all tenants that are older than `keep_days`."""

    def __init__(self, database: Database, *, keep_days: int) -> None:
        self._database = database
        self._keep_days = keep_days

    async def forget(self) -> None:
        """Deletes what is older now."""
        async with self._database.system() as connection:
            await store.forget_attempts(connection, self._keep_days)

"""Hears of changed credentials: LISTEN on PostgreSQL's channel `credentials`."""

import asyncio
import logging

import psycopg
from psycopg.conninfo import make_conninfo

from edge.credentials import Credentials
from services.kit.settings import Settings

log = logging.getLogger("listener")

CHANNEL = "credentials"
RECONNECT_SECONDS = 0.2
# A connection that died without a word is noticed after about this long.
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2, "connect_timeout": 2}


class Listener:
    """Listens for ever. While `connected` is false nothing may be remembered."""

    def __init__(self, settings: Settings) -> None:
        self._conninfo = make_conninfo(settings.libpq_dsn, **KEEPALIVE)
        self.connected = False

    def is_connected(self) -> bool:
        """Whether every change is heard of."""
        return self.connected

    async def run(self, credentials: Credentials) -> None:
        """Forgets each credential PostgreSQL says has changed, and all of them whenever the connection breaks."""
        while True:
            try:
                await self._listen(credentials)
            except (psycopg.Error, OSError) as error:
                log.warning("cannot listen for credential changes: %s", error)
            finally:
                self.connected = False
                credentials.forget_all()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self, credentials: Credentials) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.connected = True
            async for notification in connection.notifies():
                credentials.forget(notification.payload)

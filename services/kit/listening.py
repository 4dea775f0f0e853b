"""Hearing of changes: LISTEN on a channel of PostgreSQL."""

import asyncio
import logging
from collections.abc import Callable

import psycopg
from psycopg.conninfo import make_conninfo

from services.kit.settings import Settings

log = logging.getLogger("listener")

RECONNECT_SECONDS = 0.2
# A connection that died without a word is noticed after about this long.
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2, "connect_timeout": 2}


class Listener:
    """Listens on one channel for ever."""

    def __init__(self, settings: Settings, channel: str) -> None:
        self._conninfo = make_conninfo(settings.libpq_dsn, **KEEPALIVE)
        self._channel = channel
        self._connected = False

    def is_connected(self) -> bool:
        """Whether every change is heard of. While it is false nothing that was remembered may be trusted."""
        return self._connected

    async def run(self, changed: Callable[[str], None], missed: Callable[[], None]) -> None:
        """Calls `changed` with the payload of each notification, and `missed` whenever some may have been lost."""
        while True:
            try:
                await self._listen(changed)
            except (psycopg.Error, OSError) as error:
                log.warning("cannot listen on %s: %s", self._channel, error)
            finally:
                self._connected = False
                missed()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self, changed: Callable[[str], None]) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {self._channel}")
            self._connected = True
            async for notification in connection.notifies():
                changed(notification.payload)

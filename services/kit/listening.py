"""Hearing of changes: LISTEN on a channel of PostgreSQL."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from services.kit.keepalive import KEEPALIVE
from services.kit.settings import Settings

log = logging.getLogger("listener")

RECONNECT_SECONDS = 0.2
# How often is asked whether the other side is still there, and for how long its last answer counts: what is revoked has
# to be gone within a second.
ASK_SECONDS, CURRENT_SECONDS = 0.2, 0.7
CONNECT_SECONDS = 2


class Listener:
    """Listens on one channel for ever."""

    def __init__(self, settings: Settings, channel: str) -> None:
        self._conninfo = make_conninfo(settings.libpq_dsn, connect_timeout=CONNECT_SECONDS, **KEEPALIVE)
        self._channel = channel
        self._connected = False
        self._heard_until = float("-inf")

    def is_connected(self) -> bool:
        """Whether every change is heard of. While it is false nothing that was remembered may be trusted."""
        return self._connected

    def is_current(self) -> bool:
        """The same, also when the connection died or the other side hangs without a word: then it is false soon."""
        return self._connected and time.monotonic() - self._heard_until < CURRENT_SECONDS

    async def run(self, changed: Callable[[str], None], missed: Callable[[], None]) -> None:
        """Calls `changed` with the payload of each notification, and `missed` before those of a new connection."""
        while True:
            try:
                await self._listen(changed, missed)
            except (psycopg.Error, OSError) as error:
                log.warning("cannot listen on %s: %s", self._channel, error)
            finally:
                self._connected = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self, changed: Callable[[str], None], missed: Callable[[], None]) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {self._channel}")
            missed()
            while True:
                asked_at = time.monotonic()
                # Changes nothing. What was told before the answer has arrived with it.
                await connection.execute(f"LISTEN {self._channel}")
                await _tell(connection, changed, 0)
                self._connected, self._heard_until = True, asked_at
                await _tell(connection, changed, ASK_SECONDS)


async def _tell(connection: "psycopg.AsyncConnection[Any]", changed: Callable[[str], None], seconds: float) -> None:
    async for notification in connection.notifies(timeout=seconds):
        changed(notification.payload)

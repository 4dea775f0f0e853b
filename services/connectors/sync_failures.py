"""Attempts that failed: recorded on the connector and in its log, and tried again, or not."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors import metrics, store, sync_store
from services.connectors.destinations.interface import Refused, TryLater
from services.connectors.queueing import Queue
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_patience import Patience, public_text

log = logging.getLogger("sync")

UNEXPECTED = "The sync failed unexpectedly."


class Failures:
    """Records failed attempts and queues the next ones."""

    def __init__(
        self, destinations: Destinations, queue: Queue, patience: Patience, now: Callable[[], datetime]
    ) -> None:
        self._destinations = destinations
        self._queue = queue
        self._patience = patience
        self._now = now

    async def record(self, connection: AsyncConnection, activation: Row[Any], error: Exception) -> None:
        """Records that a sync of a locked connector failed. It is tried again, unless that is of no use any more."""
        now, attempt = self._now(), activation.attempts + 1
        since = activation.failing_since or now
        text = self._text(activation, error)
        logged = {"status": "failed", "error_message": text, "attempt": attempt}
        await sync_store.add_log(connection, activation, logged)
        is_last = isinstance(error, Refused) or self._patience.is_over(since, now)
        metrics.SYNCS.labels("given_up" if is_last else "failed").inc()
        if is_last:
            await store.change_activation(connection, activation.id, _end(activation, text))
            return
        columns = {"last_error": text, "attempts": attempt, "failing_since": since}
        await store.change_activation(connection, activation.id, columns)
        asked = error.seconds if isinstance(error, TryLater) else None
        await self._queue.put_sync(
            connection,
            tenant_id=activation.tenant_id,
            activation_id=activation.id,
            delay_seconds=self._patience.wait(since, now, asked).total_seconds(),
        )

    def _text(self, activation: Row[Any], error: Exception) -> str:
        """What the connector's owner is told; the operator reads it too, and all of what nobody expected."""
        whose = {"tenant_id": activation.tenant_id, "activation_id": activation.id}
        if isinstance(error, Refused | TryLater):
            text = public_text(str(error), self._destinations.secrets(activation))
            log.warning("a sync failed: %s", text, extra=whose)
            return text
        log.error("a sync failed unexpectedly", exc_info=error, extra=whose)
        return UNEXPECTED


def _end(activation: Row[Any], text: str) -> dict[str, object]:
    """A connector whose sync is not tried again. One that is paused, and was synced by hand, stays paused."""
    status = "error" if activation.status == "active" else activation.status
    return {
        "status": status,
        "last_error": text,
        "is_syncing": False,
        "sync_once": False,
        "attempts": 0,
        "failing_since": None,
    }

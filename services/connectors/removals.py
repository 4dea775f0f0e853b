"""Telling destinations that users were erased, beside the ledger, which has forgotten them.

A connector tells it between two steps of its syncs, when nothing else of it is on the way: a chunk in which they were
still has arrived by then, and later ones are read from a ledger without them. It does so whatever its status is.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors import removal_store, store, sync_store
from services.connectors.destinations.interface import Destination, Refused, TryLater
from services.connectors.queueing import Queue
from services.connectors.sync_chunks import chunk_of
from services.connectors.sync_destinations import Destinations
from services.connectors.sync_patience import Patience, public_text
from services.kit.postgres import Database

log = logging.getLogger("removals")

CHECK_SECONDS = 2.0
# Queued in one check; more wait for the next one.
MOST_DUE = 1_000

UNEXPECTED = "The destination failed unexpectedly."
TOLD: Mapping[str, object] = {"user_ids": [], "next_attempt_at": None, "failing_since": None, "last_error": None}


class Removals:
    """What connectors have to tell their destinations."""

    def __init__(
        self, database: Database, destinations: Destinations, patience: Patience, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._destinations = destinations
        self._patience = patience
        self._now = now

    async def tell(self, tenant_id: int, activation_id: int) -> None:
        """Tells a connector's destination what is due, or records why it cannot be told and when it is tried again.

        Called when no sync of the connector is on its way. Raises Unavailable when our own database is away.
        """
        async with self._database.tenant(tenant_id) as connection:
            activation = await store.find_activation(connection, activation_id)
            removals = await removal_store.of_activation(connection, activation_id)
            if activation is None or not removals:
                return
            names = await sync_store.segment_names(connection, activation)
        user_ids = sorted({user_id for removal in removals for user_id in removal.user_ids})
        columns = TOLD
        try:
            for segment_id in sorted(_sent(activation)):
                destination = self._destinations.open(activation, segment_id, names[segment_id])
                await _remove(destination, f"{activation_id}/erased/{segment_id}", user_ids)
        except Exception as error:
            columns = self._failed(activation, removals, error)
        async with self._database.tenant(tenant_id) as connection:
            if columns == TOLD:
                await _move_bounds(connection, activation_id, user_ids)
            erasure_ids = [removal.erasure_id for removal in removals]
            await removal_store.change(connection, activation_id, erasure_ids, columns)

    def _failed(self, activation: Row[Any], removals: Sequence[Row[Any]], error: Exception) -> Mapping[str, object]:
        """When it is tried again: as a sync that fails, but for ever."""
        now = self._now()
        since = min(removal.failing_since or now for removal in removals)
        asked = error.seconds if isinstance(error, TryLater) else None
        whose = {"tenant_id": activation.tenant_id, "activation_id": activation.id}
        text = UNEXPECTED
        if isinstance(error, Refused | TryLater):
            text = public_text(str(error), self._destinations.secrets(activation))
            log.warning("a destination was not told of erased users: %s", text, extra=whose)
        else:
            log.error("a destination was not told of erased users", exc_info=error, extra=whose)
        wait: timedelta = self._patience.wait(since, now, asked)
        return {"failing_since": since, "last_error": text, "next_attempt_at": now + wait}


async def queue_due(database: Database, queue: Queue) -> None:
    """Queues a sync of every connector that is to try again by now. Raises Unavailable."""
    async with database.system() as connection:
        due = await removal_store.due(connection, MOST_DUE)
    for tenant_id, activation_id in due:
        async with database.tenant(tenant_id) as connection:
            await queue.put_sync(connection, tenant_id=tenant_id, activation_id=activation_id)


async def _remove(destination: Destination, sync: str, user_ids: Sequence[str]) -> None:
    for start in range(0, len(user_ids), destination.chunk_users):
        some = user_ids[start : start + destination.chunk_users]
        await destination.send(chunk_of(sync, [(user_id, False) for user_id in some]))
    await destination.finish()


def _sent(activation: Row[Any]) -> set[int]:
    """The segments of which a connector may have sent users."""
    held = (activation.sent_segment_id if activation.sent_run else None, activation.target_segment_id)
    return {segment_id for segment_id in held if segment_id is not None}


async def _move_bounds(connection: AsyncConnection, activation_id: int, user_ids: Sequence[str]) -> None:
    """Where a sync has stopped at an erased user, it has stopped at the one before them."""
    activation = await store.lock_activation(connection, activation_id)
    if activation is None:
        return
    bounds = {name: getattr(activation, name) for name in ("sent_through", "tried_through")}
    moved = {
        name: await removal_store.user_before(connection, _sent(activation), bound, user_ids)
        for name, bound in bounds.items()
        if bound in user_ids
    }
    if moved:
        await store.change_activation(connection, activation_id, moved)

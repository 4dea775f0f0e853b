"""Syncs that wait for a worker. A connector that waits for one or runs it `is_syncing`."""

from typing import Any, Protocol

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.connectors import store


class Queue(Protocol):
    """Where syncs wait for a worker."""

    async def put_sync(
        self, connection: AsyncConnection, *, tenant_id: int, activation_id: int, delay_seconds: float = 0
    ) -> None:
        """Queues a sync in the connection's transaction, to start at once or after a delay. Raises Unavailable.

        It takes the place of a failed one that waits to be tried again. One that finds nothing to do ends.
        """


async def queue_sync(connection: AsyncConnection, queue: Queue, activation: Row[Any]) -> None:
    """Queues a sync of a connector that this transaction has locked, unless one waits or runs.

    One that runs looks at the connector again, locked, before it ends: what this transaction changes is not missed.
    One that failed and waits to be tried again does not count.
    """
    if not activation.is_syncing or activation.attempts:
        begun = {"is_syncing": True, "attempts": 0, "failing_since": None}
        await store.change_activation(connection, activation.id, begun)
        await queue.put_sync(connection, tenant_id=activation.tenant_id, activation_id=activation.id)


async def queue_syncs(connection: AsyncConnection, queue: Queue, segment_id: int) -> None:
    """Queues a sync of every active connector of a segment that does not wait for one or run it.

    One that failed is not tried again any earlier.
    """
    for activation in await store.lock_active(connection, segment_id):
        if not activation.is_syncing:
            await queue_sync(connection, queue, activation)


def may_sync(activation: Row[Any]) -> bool:
    """Whether a sync of the connector may go on: paused or in error, it may only when it was asked for by hand."""
    return bool(activation.status == "active" or activation.sync_once)

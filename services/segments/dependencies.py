"""Segments that refer to a segment are computed again after it changed."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segments import ledger_store, reference_store
from services.segments.queueing import Cause, Queue, QueuedCompute, queue_compute


def follows(segment: Row[Any]) -> bool:
    """Whether a segment is computed again when one that it refers to has changed.

    One that is computing already sees the change, or finds at its end that it was overtaken.
    """
    was_computed = segment.last_run_id is not None
    return segment.is_active and segment.definition is not None and was_computed and segment.status != "computing"


async def queue_dependents(connection: AsyncConnection, queue: Queue, tenant_id: int, segment_id: int) -> None:
    """Queues the segments that refer to a segment whose membership changed in this transaction.

    Locks them and the segment itself in one order, so call it before anything else locks the segment's row.
    """
    for segment in await reference_store.lock_with_dependents(connection, segment_id):
        if follows(segment):
            await queue_compute(connection, queue, _following(tenant_id, segment.id))


async def queue_if_overtaken(
    connection: AsyncConnection, queue: Queue, tenant_id: int, segment_id: int, runs: Mapping[int, int]
) -> None:
    """Queues a segment that is just computed if one it refers to changed after the run in `runs` that it saw.

    The segment is locked: who changes after this look waits for the lock, and then queues it as a dependent.
    """
    if runs and await ledger_store.has_later_changes(connection, runs):
        await queue_compute(connection, queue, _following(tenant_id, segment_id))


def _following(tenant_id: int, segment_id: int) -> QueuedCompute:
    return QueuedCompute(tenant_id=tenant_id, segment_id=segment_id, cause=Cause.DEPENDENCY)

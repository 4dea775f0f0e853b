"""The schedule: a segment with `refresh_minutes` that is active and has a definition is computed every so often."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from services.kit.postgres import Database
from services.segments import store
from services.segments.queueing import Cause, Queue, QueuedCompute, queue_compute

# Taken in one look; more wait for the next one.
MOST_DUE = 1_000


def interval(segment: Mapping[str, Any]) -> timedelta | None:
    """The time between a segment's scheduled computes; None when it is not scheduled."""
    if segment["refresh_minutes"] is None or not segment["is_active"] or segment["definition"] is None:
        return None
    return timedelta(minutes=segment["refresh_minutes"])


def refresh_at(before: Mapping[str, Any] | None, after: Mapping[str, Any], now: datetime) -> datetime | None:
    """When a segment that was just saved is computed next: an interval from now, or as before if that did not change.

    `before` is None for a new segment.
    """
    every = interval(after)
    if before is not None and every == interval(before):
        planned: datetime | None = before["refresh_at"]
        return planned
    return now + every if every else None


def following(due: datetime, every: timedelta, now: datetime) -> datetime:
    """The first time after `now` in the rhythm of `due`: what was missed is not made up for."""
    return due + every * ((now - due) // every + 1)


class Schedule:
    """Queues the computes that are due. Any number of processes may do so at the same time."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    async def queue_due(self) -> None:
        """Queues every segment that is due, and plans its next compute. Raises Unavailable."""
        async with self._database.system() as connection:
            due = await store.due_segments(connection, MOST_DUE)
        for tenant_id in {tenant_id for tenant_id, _ in due}:
            await self._queue_tenants(tenant_id, [segment_id for owner, segment_id in due if owner == tenant_id])

    async def _queue_tenants(self, tenant_id: int, segment_ids: Collection[int]) -> None:
        now = datetime.now(UTC)
        # Together, so that those which refer to each other wait for each other.
        async with self._database.tenant(tenant_id) as connection:
            if not await store.take_schedule_turn(connection, tenant_id):
                return
            for segment in await store.lock_due_segments(connection, segment_ids, now):
                every = interval(segment._asdict())
                planned = following(segment.refresh_at, every, now) if every else None
                await store.change_segment(connection, segment.id, {"refresh_at": planned})
                if every and segment.status != "computing":
                    compute = QueuedCompute(tenant_id=tenant_id, segment_id=segment.id, cause=Cause.SCHEDULE)
                    await queue_compute(connection, self._queue, compute)

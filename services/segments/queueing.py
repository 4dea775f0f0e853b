"""Computes that wait for a worker, and why. A segment that waits for one or runs it is `computing`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Invalid, NotFound
from services.kit.postgres import Database
from services.segments import store


class NoDefinition(Invalid):
    """The segment has no definition."""

    def __init__(self) -> None:
        super().__init__(detail=type(self).__doc__ or "")


class Cause(StrEnum):
    """Why a segment is computed."""

    REQUESTED = "requested"
    SCHEDULE = "schedule"
    # A segment it refers to changed.
    DEPENDENCY = "dependency"


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedCompute:
    """A compute of one segment; `waits` counts how often it was put off for a segment it refers to."""

    tenant_id: int
    segment_id: int
    cause: Cause
    waits: int = 0


class Queue(Protocol):
    """Where computes wait for a worker."""

    async def put(self, connection: AsyncConnection, compute: QueuedCompute) -> None:
        """Queues a compute in the connection's transaction, later the more often it was put off."""

    async def announce(self, connection: AsyncConnection, *, tenant_id: int, segment_id: int, run_id: int) -> None:
        """Tells connectors of a compute, when the connection's transaction commits."""


async def queue_compute(connection: AsyncConnection, queue: Queue, compute: QueuedCompute) -> None:
    """Queues a compute of a segment that this transaction has locked and that neither waits for one nor runs it."""
    await store.change_segment(connection, compute.segment_id, {"status": "computing"})
    await queue.put(connection, compute)


async def request_compute(database: Database, queue: Queue, tenant_id: int, segment_id: int) -> None:
    """Queues a compute unless one waits or runs. Raises NotFound, or NoDefinition."""
    async with database.tenant(tenant_id) as connection:
        segment = await store.lock_segment(connection, segment_id)
        if segment is None:
            raise NotFound
        if segment.definition is None:
            raise NoDefinition
        if segment.status != "computing":
            compute = QueuedCompute(tenant_id=tenant_id, segment_id=segment_id, cause=Cause.REQUESTED)
            await queue_compute(connection, queue, compute)

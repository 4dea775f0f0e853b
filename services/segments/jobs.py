"""Computes as jobs: queued once, never lost."""

from procrastinate import JobContext
from procrastinate.blueprints import Blueprint
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import jobs
from services.kit.caller import current_request
from services.kit.postgres import Database
from services.segments.compute import Computer, Matches
from services.segments.queueing import Cause, QueuedCompute

QUEUE = "segments"

# A compute that is put off again and again has a long one before it; in the end it looks every 4 seconds.
FIRST_WAIT_SECONDS, MOST_DOUBLINGS = 0.5, 3


class ComputeQueue:
    """Computes that wait for a worker. `tasks` is what the worker has to know."""

    def __init__(self, database: Database, matches: Matches) -> None:
        self.tasks = Blueprint()
        computer = Computer(database, matches, self)

        # Version 0.1 queued jobs without a cause.
        @self.tasks.task(name="compute", queue=QUEUE, retry=jobs.PutBack(), pass_context=True)
        async def compute(
            context: JobContext,
            *,
            tenant_id: int,
            segment_id: int,
            request_id: str,
            cause: str = Cause.REQUESTED,
            waits: int = 0,
        ) -> None:
            queued = QueuedCompute(tenant_id=tenant_id, segment_id=segment_id, cause=Cause(cause), waits=waits)
            await computer.run(queued, retries=context.job.attempts)

        self._compute = compute

    async def put(self, connection: AsyncConnection, compute: QueuedCompute) -> None:
        """Queues a compute in the connection's transaction, later the more often it was put off. Raises Unavailable."""
        # No procrastinate lock: the segment's status admits one job, and a lock would hold the next one up while
        # this worker still signs off the one before.
        await jobs.put(
            self._compute,
            connection,
            delay_seconds=wait_seconds(compute.waits),
            tenant_id=compute.tenant_id,
            segment_id=compute.segment_id,
            request_id=current_request().id,
            cause=compute.cause,
            waits=compute.waits,
        )

    async def announce(self, connection: AsyncConnection, *, tenant_id: int, segment_id: int, run_id: int) -> None:
        """Tells connectors of a compute, when the connection's transaction commits. Raises Unavailable."""
        await jobs.put_for(
            "connectors",
            "computed",
            connection,
            tenant_id=tenant_id,
            segment_id=segment_id,
            run_id=run_id,
            request_id=current_request().id,
        )


def wait_seconds(waits: int) -> float:
    """How long a compute that was put off so often waits before it is tried again."""
    return FIRST_WAIT_SECONDS * 2 ** min(waits - 1, MOST_DOUBLINGS) if waits else 0.0

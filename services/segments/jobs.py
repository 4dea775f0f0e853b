"""The queue of computes and its worker. A compute that was queued runs, whatever process dies."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.blueprints import Blueprint
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import jobs
from services.kit.caller import Request, current_request, serving
from services.kit.errors import Unavailable
from services.kit.postgres import Database, driver_connection
from services.kit.settings import Settings
from services.segments import store
from services.segments.compute import Computer

log = logging.getLogger("jobs")

NAMESPACE = QUEUE = "segments"
CONCURRENCY = 2

# A killed worker's job starts again within HEARTBEAT + STALE + CHECK + POLL seconds.
HEARTBEAT_SECONDS = 1.0
STALE_SECONDS = 3.0
CHECK_SECONDS = 0.5
# New jobs are notified; only those put back are found by polling.
POLL_SECONDS = 0.5

# A compute that is not done by then goes back into the queue.
GRACE_SECONDS = 1.0
RESTART_SECONDS = 1.0

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 30.0


class PutBack(BaseRetryStrategy):
    """Never loses a job: what ends it early, a shutdown or a backend that is away, puts it back into the queue."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision()
        seconds = min(FIRST_RETRY_SECONDS * 2**job.attempts, LONGEST_RETRY_SECONDS)
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=seconds))


class ComputeQueue:
    """Computes that wait, and the worker in this process that runs them."""

    def __init__(self, settings: Settings, database: Database, computer: Computer) -> None:
        self._database = database
        tasks = Blueprint()

        @tasks.task(name="compute", queue=QUEUE, retry=PutBack(), pass_context=True)
        async def compute(context: JobContext, *, tenant_id: int, segment_id: int, request_id: str) -> None:
            with serving(Request(id=request_id)):
                await computer.run(tenant_id, segment_id, retries=context.job.attempts)

        self._compute = compute
        self._app = jobs.connect(settings, tasks, namespace=NAMESPACE)

    async def put(self, connection: AsyncConnection, *, tenant_id: int, segment_id: int) -> None:
        """Queues a compute in the connection's transaction. Raises Unavailable."""
        # No procrastinate lock: the segment's status admits one job, and a lock would hold the next one up while
        # this worker still signs off the one before.
        job = self._compute.configure(connection=driver_connection(connection))
        try:
            await job.defer_async(tenant_id=tenant_id, segment_id=segment_id, request_id=current_request().id)
        except ConnectorException as error:
            raise Unavailable from error

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Runs jobs within the block. At its end, what is not done within a grace goes back into the queue."""
        worker = asyncio.create_task(self._work())
        try:
            yield
        finally:
            worker.cancel()
            await asyncio.wait([worker])

    async def _work(self) -> None:
        """Runs a worker; one that breaks off, because PostgreSQL did, is started again."""
        while True:
            try:
                async with self._app.open_async():
                    await self._run_worker()
            except Exception:
                log.exception("the worker broke off")
            await asyncio.sleep(RESTART_SECONDS)

    async def _run_worker(self) -> None:
        rescuing = asyncio.create_task(self._rescue())
        try:
            await self._app.run_worker_async(
                name=NAMESPACE,
                queues=[QUEUE],
                concurrency=CONCURRENCY,
                install_signal_handlers=False,
                fetch_job_polling_interval=POLL_SECONDS,
                shutdown_graceful_timeout=GRACE_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALE_SECONDS,
                # What became of a compute is told by its segment.
                delete_jobs="always",
            )
        finally:
            rescuing.cancel()

    async def _rescue(self) -> None:
        """Puts the jobs of killed workers back into the queue."""
        while True:
            try:
                await self._put_back_stalled()
            except Exception as error:
                log.warning("cannot look for the jobs of killed workers: %r", error)
            await asyncio.sleep(CHECK_SECONDS)

    async def _put_back_stalled(self) -> None:
        # One process at a time, or a second one could put a job back that already runs again.
        async with self._database.system() as connection:
            if not await store.take_rescue_turn(connection):
                return
            stalled = await self._app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALE_SECONDS)
            for job in stalled:
                log.warning("a worker is gone, its job starts again", extra={"job_id": job.id})
                await self._app.job_manager.retry_job(job)

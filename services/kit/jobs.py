"""The job queue: procrastinate on PostgreSQL. A job is queued in the transaction that needs it, and is never lost."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.blueprints import Blueprint
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.middleware import AsyncCallNext
from procrastinate.tasks import Task
from procrastinate.worker import Worker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import tracing
from services.kit.caller import Caller, Request, serving
from services.kit.ending import end
from services.kit.errors import Unavailable
from services.kit.job_watch import JobWatch
from services.kit.keepalive import KEEPALIVE
from services.kit.metrics import JOB_SECONDS, LOOK_SECONDS
from services.kit.postgres import CONNECT_SECONDS, TENANT_ROLE, Database, driver_connection
from services.kit.repeating import repeat
from services.kit.settings import Settings

log = logging.getLogger("jobs")

POOL_SIZE = 4
CONCURRENCY = 2

# A killed worker's job starts again within HEARTBEAT + STALE + CHECK + POLL seconds.
HEARTBEAT_SECONDS = 1.0
STALE_SECONDS = 3.0
CHECK_SECONDS = 1.0
# New jobs are notified; only those put back are found by polling.
POLL_SECONDS = 0.5

# A job that is not done by then goes back into the queue.
GRACE_SECONDS = 1.0
RESTART_SECONDS = 1.0

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 30.0

DONE, PUT_BACK = "done", "put_back"

# First half of an advisory lock whose second half names the queue.
RESCUE_LOCK = 7_382_013


# Knows no task and opens no connection: what it queues goes through the caller's.
_nowhere = App(connector=PsycopgConnector())


class PutBack(BaseRetryStrategy):
    """Never loses a job: what ends it early, a shutdown or a backend that is away, puts it back into the queue."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision()
        seconds = min(FIRST_RETRY_SECONDS * 2**job.attempts, LONGEST_RETRY_SECONDS)
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=seconds))


async def put(
    task: "Task[Any, Any, Any]",
    connection: AsyncConnection,
    *,
    delay_seconds: float = 0,
    lock: str | None = None,
    **arguments: Any,
) -> None:
    """Queues a job in the connection's transaction, to start after a delay. Raises Unavailable.

    Of the jobs with one lock one runs at a time, and one more waits: if there is one that waits, it starts when this
    one would have.
    """
    start = datetime.now(UTC) + timedelta(seconds=delay_seconds) if delay_seconds else None
    if lock and await _reschedule(connection, lock, start):
        return
    try:
        configured = task.configure(connection=driver_connection(connection), schedule_at=start, lock=lock)
        await configured.defer_async(**arguments)
    except ConnectorException as error:
        raise Unavailable from error


async def _reschedule(connection: AsyncConnection, lock: str, start: datetime | None) -> bool:
    statement = text("UPDATE procrastinate_jobs SET scheduled_at = :start WHERE lock = :lock AND status = 'todo'")
    return (await connection.execute(statement, {"start": start, "lock": lock})).rowcount > 0


async def put_for(service: str, task: str, connection: AsyncConnection, **arguments: Any) -> None:
    """Queues a job of another service in the connection's transaction, by the name of its task. Raises Unavailable."""
    deferrer = _nowhere.configure_task(f"{service}:{task}", queue=service, connection=driver_connection(connection))
    try:
        await deferrer.defer_async(**arguments)
    except ConnectorException as error:
        raise Unavailable from error


async def _measured(call_next: AsyncCallNext, context: JobContext, _: Worker) -> Any:
    """Runs a job as a request of its tenant, with the id of the request that queued it."""
    arguments: dict[str, Any] = context.job.task_kwargs
    caller = Caller(kind="service", tenant_id=arguments.get("tenant_id", 0))
    started, outcome = time.perf_counter(), PUT_BACK
    try:
        request = Request(id=arguments.get("request_id", ""), caller=caller)
        with serving(request), tracing.work(f"job {context.job.queue}", **{"segops.request_id": request.id}):
            result = await call_next()
        outcome = DONE
        return result
    finally:
        JOB_SECONDS.labels(context.job.queue, outcome).observe(time.perf_counter() - started)


class Jobs:
    """A service's queue, named after it, and the worker in this process that runs its jobs.

    Tasks come in blueprints; make them with `retry=PutBack()`. `concurrency`: how many jobs run at a time.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        name: str,
        *blueprints: Blueprint,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._database = database
        self._name = name
        self._concurrency = concurrency
        connector = PsycopgConnector(
            conninfo=settings.libpq_dsn,
            kwargs={"options": f"-c role={TENANT_ROLE}", "connect_timeout": CONNECT_SECONDS, **KEEPALIVE},
            min_size=1,
            max_size=POOL_SIZE,
        )
        self._app = App(connector=connector)
        for outcome in (DONE, PUT_BACK):
            JOB_SECONDS.labels(name, outcome)
        for blueprint in blueprints:
            self._app.add_tasks_from(blueprint, namespace=name)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Runs jobs within the block. At its end, what is not done within a grace goes back into the queue."""
        worker = asyncio.create_task(self._work())
        watching = asyncio.create_task(repeat(LOOK_SECONDS, JobWatch(self._database, self._name).look))
        try:
            yield
        finally:
            worker.cancel()
            await end([watching])
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
        rescuing = asyncio.create_task(repeat(CHECK_SECONDS, self._put_back_stalled))
        try:
            await self._app.run_worker_async(
                name=self._name,
                queues=[self._name],
                concurrency=self._concurrency,
                install_signal_handlers=False,
                fetch_job_polling_interval=POLL_SECONDS,
                shutdown_graceful_timeout=GRACE_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALE_SECONDS,
                task_middleware=[_measured],
                # What became of a job is told by the row it works on.
                delete_jobs="always",
            )
        finally:
            rescuing.cancel()

    async def _put_back_stalled(self) -> None:
        # One process at a time, or a second one could put a job back that already runs again.
        async with self._database.system() as connection:
            if not await self._take_rescue_turn(connection):
                return
            stalled = await self._app.job_manager.get_stalled_jobs(
                queue=self._name, seconds_since_heartbeat=STALE_SECONDS
            )
            for job in stalled:
                log.warning("a worker is gone, its job starts again", extra={"job_id": job.id})
                await self._app.job_manager.retry_job(job)

    async def _take_rescue_turn(self, connection: AsyncConnection) -> bool:
        lock = {"space": RESCUE_LOCK, "queue": crc32(self._name.encode()) & 0x7FFF_FFFF}
        return bool(await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:space, :queue)"), lock))

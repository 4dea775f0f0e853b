"""Exports as jobs: queued once, never lost."""

from procrastinate import JobContext
from procrastinate.blueprints import Blueprint
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import jobs
from services.kit.caller import current_request
from services.segments.exporter import Exporter

# Of its own, so that long exports do not hold computes up.
EXPORTS = "exports"


class ExportQueue:
    """Exports that wait for a worker. `tasks` is what the worker has to know."""

    def __init__(self, exporter: Exporter) -> None:
        self.tasks = Blueprint()

        @self.tasks.task(name="export", queue=EXPORTS, retry=jobs.PutBack(), pass_context=True)
        async def export(context: JobContext, *, tenant_id: int, export_id: int, request_id: str) -> None:
            await exporter.run(tenant_id, export_id, retries=context.job.attempts)

        self._export = export

    async def put(self, connection: AsyncConnection, tenant_id: int, export_id: int) -> None:
        """Queues an export in the connection's transaction. Raises Unavailable."""
        await jobs.put(
            self._export, connection, tenant_id=tenant_id, export_id=export_id, request_id=current_request().id
        )

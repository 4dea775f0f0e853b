"""What follows the compute of a segment. The segments service queues the job in the compute's transaction."""

from procrastinate.blueprints import Blueprint

from services.connectors.deliveries import create_deliveries
from services.connectors.queueing import Queue, queue_syncs
from services.kit import jobs
from services.kit.postgres import Database

# By this name the segments service knows it.
QUEUE = "connectors"


class ComputedQueue:
    """News of computes that wait for a worker. `tasks` is what the worker has to know."""

    def __init__(self, database: Database, syncs: Queue) -> None:
        self.tasks = Blueprint()

        @self.tasks.task(name="computed", queue=QUEUE, retry=jobs.PutBack())
        async def computed(*, tenant_id: int, segment_id: int, run_id: int, request_id: str) -> None:
            async with database.tenant(tenant_id) as connection:
                await queue_syncs(connection, syncs, segment_id)
                await create_deliveries(connection, run_id)

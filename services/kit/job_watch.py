"""How long a queue is, and how old its oldest jobs are. Every process that works on a queue tells the same of it."""

from sqlalchemy import text

from services.kit.metrics import JOB_AGE, JOBS
from services.kit.postgres import Database

# What waits is known by its id: of the oldest only, the time is looked up. Few run at a time.
_LOOK = text("""
    WITH todo AS (
      SELECT * FROM procrastinate_jobs WHERE queue_name = :queue AND status = 'todo'),
    due AS (
      SELECT count(*) AS jobs, min(scheduled_at) AS since, min(id) FILTER (WHERE scheduled_at IS NULL) AS oldest
      FROM todo WHERE scheduled_at IS NULL OR scheduled_at <= now()),
    running AS (
      SELECT (SELECT max(at) FROM procrastinate_events WHERE job_id = jobs.id AND type = 'started') AS since
      FROM procrastinate_jobs AS jobs WHERE queue_name = :queue AND status = 'doing')
    SELECT 'due' AS state, jobs, extract(epoch FROM now() - least(
      since, (SELECT max(at) FROM procrastinate_events WHERE job_id = oldest)))::float AS seconds FROM due
    UNION ALL
    SELECT 'later', count(*), NULL FROM todo WHERE scheduled_at > now()
    UNION ALL
    SELECT 'running', count(*), extract(epoch FROM now() - min(since))::float FROM running""")


class JobWatch:
    """Watches one queue."""

    def __init__(self, database: Database, queue: str) -> None:
        self._database = database
        self._queue = queue

    async def look(self) -> None:
        """Notes how the queue is. Raises Unavailable; what was noted before stays then."""
        async with self._database.system() as connection:
            rows = (await connection.execute(_LOOK, {"queue": self._queue})).all()
        for state, jobs, seconds in rows:
            JOBS.labels(self._queue, state).set(jobs)
            if state != "later":
                JOB_AGE.labels(self._queue, state).set(max(seconds or 0.0, 0.0))

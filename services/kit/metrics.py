"""What every process tells Prometheus. What only one of them knows is in its own `metrics.py`.

No label has a value that a client chooses: none names a tenant, a user or a path.
"""

from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

# Seconds, from a membership look-up to the longest definition.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# Seconds, of work for which nobody keeps a request open.
LONG_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

# Between two looks at what has to be asked for: queues, backlogs and lags.
LOOK_SECONDS = 10.0

INFO = Gauge("segops_process_info", "1, with the version of the process.", ["version"])
READY = Gauge("segops_ready", "1 while the service and every backend it needs answer.")

RPCS = Counter("segops_rpc", "Calls answered, by gRPC status.", ["rpc", "code"])
RPC_SECONDS = Histogram("segops_rpc_seconds", "Seconds from a call to the end of its answer.", ["rpc"], buckets=BUCKETS)

POOL_USED = Gauge("segops_database_connections_used", "Connections to PostgreSQL in use.", ["pool"])
POOL_LIMIT = Gauge("segops_database_connections_limit", "Connections to PostgreSQL that a pool may have.", ["pool"])
POOL_WAIT = Histogram(
    "segops_database_wait_seconds", "Seconds that a transaction waited for a connection.", ["pool"], buckets=BUCKETS
)
POOL_FAILURES = Counter("segops_database_failures", "Transactions that PostgreSQL was away for.", ["pool"])

PUBLISHES = Counter("segops_eventlog_publishes", "Writes to the event log: stored, refused or in_doubt.", ["outcome"])
PUBLISH_SECONDS = Histogram(
    "segops_eventlog_publish_seconds", "Seconds until a write to the event log was on disk.", buckets=BUCKETS
)

JOBS = Gauge("segops_jobs", "Jobs of a queue: due, later or running.", ["queue", "state"])
JOB_AGE = Gauge(
    "segops_job_oldest_seconds", "Age of the oldest job of a queue that is due or running.", ["queue", "state"]
)
JOB_SECONDS = Histogram(
    "segops_job_seconds",
    "Seconds that a job ran; done, or put back to run again.",
    ["queue", "outcome"],
    buckets=LONG_BUCKETS,
)

for _outcome in ("stored", "refused", "in_doubt"):
    PUBLISHES.labels(_outcome)


class RpcMeter:
    """Counts the calls of one RPC. `method` is its gRPC path."""

    def __init__(self, method: str) -> None:
        self._rpc = method.removeprefix("/")
        self._seconds = RPC_SECONDS.labels(self._rpc)
        # Those that are alerted on begin with 0: the first failure is an increase too.
        self._counts = {code: RPCS.labels(self._rpc, code) for code in ("OK", "INTERNAL", "UNAVAILABLE")}

    def note(self, code: str, seconds: float) -> None:
        """Counts a call that ended with a gRPC status."""
        count = self._counts.get(code)
        if count is None:
            count = self._counts[code] = RPCS.labels(self._rpc, code)
        count.inc()
        self._seconds.observe(seconds)


class PoolMeter:
    """Watches a pool of connections to PostgreSQL; `used` tells how many are in use."""

    def __init__(self, name: str, limit: int, used: Callable[[], int]) -> None:
        POOL_USED.labels(name).set_function(used)
        POOL_LIMIT.labels(name).set(limit)
        self._waits = POOL_WAIT.labels(name)
        self._failures = POOL_FAILURES.labels(name)

    def waited(self, seconds: float) -> None:
        """A transaction got its connection."""
        self._waits.observe(seconds)

    def failed(self) -> None:
        """PostgreSQL was away, or the pool had no connection to give in time."""
        self._failures.inc()

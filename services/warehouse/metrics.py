"""What the warehouse process tells Prometheus beside what all do."""

from prometheus_client import Counter, Gauge, Histogram

from services.kit.metrics import LONG_BUCKETS

QUERY_SECONDS = Histogram(
    "segops_warehouse_query_seconds", "Seconds of work in a lane.", ["lane"], buckets=LONG_BUCKETS
)
QUERY_WAIT = Histogram(
    "segops_warehouse_wait_seconds", "Seconds that work waited for a lane.", ["lane"], buckets=LONG_BUCKETS
)
QUERY_FAILURES = Counter(
    "segops_warehouse_failures",
    "Work the engine refused, by reason: too_slow, memory, disk_full, broken (what is stored), or other.",
    ["lane", "reason"],
)

LOADED_EVENTS = Counter("segops_loader_events", "Events stored in the warehouse.")
LOADED_BLOCKS = Counter("segops_loader_blocks", "Blocks stored in the warehouse.")
DELAY_SECONDS = Histogram(
    "segops_loader_delay_seconds",
    "Seconds from a message in the event log until it can be queried.",
    buckets=LONG_BUCKETS,
)
LOADED_TIME = Gauge(
    "segops_loader_loaded_timestamp_seconds", "Unix time at which the newest loaded message was received."
)
LAG_MESSAGES = Gauge("segops_loader_lag_messages", "Messages of the event log that are not loaded.")
LAG_SECONDS = Gauge("segops_loader_lag_seconds", "Age of the oldest message of the event log that is not loaded.")
DEAD_LETTERS = Counter("segops_loader_dead_letters", "Messages that were put aside, because they cannot be read.")
LOG_MESSAGES = Gauge("segops_eventlog_messages", "Messages that the event log holds.")
LOG_BYTES = Gauge("segops_eventlog_bytes", "Bytes that the event log holds.")
DISK_FREE = Gauge("segops_warehouse_disk_free_bytes", "Free bytes of the disk with the data directory.")

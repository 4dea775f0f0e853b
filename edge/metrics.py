"""What the authz process tells Prometheus beside what all do."""

from prometheus_client import Counter, Gauge, Histogram

from services.kit.metrics import BUCKETS

DECISIONS = Counter("segops_edge_decisions", "Requests decided, by outcome: Admitted, or why not.", ["outcome"])
DECISION_SECONDS = Histogram("segops_edge_decision_seconds", "Seconds of a decision.", buckets=BUCKETS)
CREDENTIALS_CURRENT = Gauge(
    "segops_edge_credentials_current", "1 while changes of credentials are heard of: else none is remembered."
)
STORE_UP = Gauge("segops_edge_ratelimit_store_up", "1 while the store that edges share for rate limits answers.")
COUNTED_ALONE = Counter("segops_edge_ratelimit_alone", "Calls counted in this process only: the shared store was away.")

# Without a shared store none can be away.
STORE_UP.set(1)

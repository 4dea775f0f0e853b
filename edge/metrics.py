"""What the authz process tells Prometheus, at `/metrics` of its own address."""

from prometheus_client import Counter, Gauge

DECISIONS = Counter("segops_edge_decisions", "Requests decided, by outcome: Admitted, or why not.", ["outcome"])
STORE_UP = Gauge("segops_edge_ratelimit_store_up", "1 while the store that edges share for rate limits answers.")
COUNTED_ALONE = Counter("segops_edge_ratelimit_alone", "Calls counted in this process only: the shared store was away.")

# Without a shared store none can be away.
STORE_UP.set(1)

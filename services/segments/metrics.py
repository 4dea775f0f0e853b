"""What the segments process tells Prometheus beside what all do."""

from prometheus_client import Counter, Histogram

from services.kit.metrics import LONG_BUCKETS

COMPUTE_SECONDS = Histogram("segops_compute_seconds", "Seconds of a compute that was complete.", buckets=LONG_BUCKETS)
COMPUTE_FAILURES = Counter(
    "segops_compute_failures",
    "Computes that were given up: refused (the definition, its cost), away (a backend) or unexpected.",
    ["reason"],
)
COMPUTE_CHANGES = Counter("segops_compute_changes", "Users who entered or left segments.")

for _reason in ("refused", "away", "unexpected"):
    COMPUTE_FAILURES.labels(_reason)

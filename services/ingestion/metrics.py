"""What the ingestion process tells Prometheus beside what all do."""

from prometheus_client import Counter

EVENTS = Counter(
    "segops_ingestion_events",
    "Events received, by outcome: accepted (on disk), duplicate, invalid, refused (quota, size) or not_stored.",
    ["outcome"],
)

for _outcome in ("accepted", "duplicate", "invalid", "refused", "not_stored"):
    EVENTS.labels(_outcome)

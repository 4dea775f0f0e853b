"""What the connectors process tells Prometheus beside what all do. Every such process tells the same backlog."""

from prometheus_client import Counter, Gauge, Histogram

from services.kit.metrics import BUCKETS

SYNCS = Counter("segops_connector_syncs", "Attempts of syncs, by outcome: complete, failed or given_up.", ["outcome"])
CHANGES = Counter("segops_connector_changes", "Users who entered or left, as destinations accepted them.")
SKIPPED = Counter("segops_connector_skipped", "Users whom destinations left out.")
DELIVERIES = Counter(
    "segops_webhook_deliveries", "Attempts to tell webhooks, by outcome: delivered, pending or failed.", ["outcome"]
)
DELIVERY_SECONDS = Histogram(
    "segops_webhook_delivery_seconds", "Seconds of an attempt to tell a webhook.", buckets=BUCKETS
)

ACTIVE = Gauge("segops_connectors_active", "Active connectors.")
FAILING = Gauge("segops_connectors_failing", "Active connectors whose syncs fail and are tried again.")
IN_ERROR = Gauge("segops_connectors_in_error", "Connectors that were given up.")
BACKLOG = Gauge(
    "segops_connector_backlog_changes", "Users who entered or left and were not accepted by a destination yet."
)
BACKLOG_AGE = Gauge(
    "segops_connector_backlog_seconds", "Age of the oldest compute that an active connector has not sent."
)
PENDING = Gauge("segops_webhook_pending", "Deliveries to webhooks that wait for an attempt.")
PENDING_AGE = Gauge("segops_webhook_pending_seconds", "Age of the oldest delivery that waits for an attempt.")

for _outcome in ("complete", "failed", "given_up"):
    SYNCS.labels(_outcome)
for _outcome in ("delivered", "pending", "failed"):
    DELIVERIES.labels(_outcome)

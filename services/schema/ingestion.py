"""Tables of the ingestion service."""

from sqlalchemy import JSON, BigInteger, Column, Date, Identity, Index, LargeBinary, Table, Text, UniqueConstraint, func

from services.schema.base import Id, Moment, UserId, metadata

event_errors = Table(
    "event_errors",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("error", Text, nullable=False),
    Index("event_errors_tenant_id_id_idx", "tenant_id", "id"),
    Index("event_errors_received_at_idx", "received_at"),
)

event_schemas = Table(
    "event_schemas",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("event_type", Text(collation="C"), nullable=False),
    # A list of {name, type, required}, in the order in which it was declared.
    Column("properties", JSON, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("updated_at", Moment, nullable=False, server_default=func.now()),
    UniqueConstraint("tenant_id", "event_type", name="event_schemas_tenant_id_event_type_key"),
)

# Events taken or reserved to be taken, of tenants whose plan has a limit.
event_counts = Table(
    "event_counts",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    # Its first day, in UTC.
    Column("month", Date, primary_key=True),
    Column("events", BigInteger, nullable=False),
)

shopify_integrations = Table(
    "shopify_integrations",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    # Encrypted.
    Column("webhook_secret", LargeBinary, nullable=False),
)

# Webhooks that were taken, for 30 days.
shopify_deliveries = Table(
    "shopify_deliveries",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    # SHA-256 of the event type and the body: what is signed is the body alone, so that whoever read a webhook can send
    # it under another id.
    Column("content_hash", LargeBinary, primary_key=True),
    Column("webhook_id", Text),
    Column("received_at", Moment, nullable=False, server_default=func.now()),
    UniqueConstraint("tenant_id", "webhook_id", name="shopify_deliveries_tenant_id_webhook_id_key"),
    Index("shopify_deliveries_received_at_idx", "received_at"),
)

# Whose the checkouts of the last 30 days are, by each of the references that a webhook may make to one.
shopify_checkouts = Table(
    "shopify_checkouts",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("user_id", UserId, nullable=False),
    Column("received_at", Moment, nullable=False, server_default=func.now()),
    Index("shopify_checkouts_received_at_idx", "received_at"),
)

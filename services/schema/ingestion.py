"""Tables of the ingestion service."""

from sqlalchemy import BigInteger, Column, Identity, Index, Table, Text

from services.schema.base import Id, Moment, metadata

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

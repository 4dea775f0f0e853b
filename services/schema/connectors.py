"""Tables of the connectors service."""

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from services.schema.base import Id, Moment, UserId, metadata

activations = Table(
    "activations",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    # The three segments of a row cannot be deleted: without its ledger a segment's users could not be taken back.
    Column("segment_id", Id, ForeignKey("segments.id"), nullable=False),
    Column("connector_type", Text, nullable=False),
    # As it is read back: `***` in the place of each secret. JSON, not JSONB: it reads back in the order it was written.
    Column("config", JSON(none_as_null=True), nullable=False),
    # A JSON object of the secrets by their keys, encrypted; null without any.
    Column("secrets", LargeBinary),
    Column("status", Text, nullable=False, server_default="inactive"),
    Column("last_synced_at", Moment),
    Column("last_error", Text),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("updated_at", Moment, nullable=False, server_default=func.now()),
    # Counts changes of config: a sync that began before one must not move the position after it.
    Column("revision", Integer, nullable=False, server_default="0"),
    # A sync waits or runs. It is set and taken back under the row's lock.
    Column("is_syncing", Boolean, nullable=False, server_default=text("false")),
    # A sync was asked for by hand while inactive: it runs nevertheless and leaves the status as it is; its end, or a
    # pause, takes this back.
    Column("sync_once", Boolean, nullable=False, server_default=text("false")),
    # Failed attempts of the sync that waits or runs, since it was asked for.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Since when they fail without a chunk accepted; null while they do not.
    Column("failing_since", Moment),
    # What was sent: the membership of a segment after a run; 0 when nothing was.
    Column("sent_segment_id", Id, ForeignKey("segments.id")),
    Column("sent_run", BigInteger, nullable=False, server_default="0"),
    # Where a sync is on its way; after run 0 nobody is in a segment. Null while none is.
    Column("target_segment_id", Id, ForeignKey("segments.id")),
    Column("target_run", BigInteger),
    # Users up to the first are as after the target's run, users after the second as they were sent, those between may
    # be either. Null without a target.
    Column("sent_through", UserId),
    Column("tried_through", UserId),
    # The target was given up: the sync goes back. Users up to `sent_through`, and those after `tried_through`, are as
    # they were sent, those between may be as after the target's run.
    Column("is_reverting", Boolean, nullable=False, server_default=text("false")),
    # Counts targets and ways back, so that equal chunks of two of them can be told apart.
    Column("sync_number", Integer, nullable=False, server_default="0"),
    # Users in the destination, by what was accepted.
    Column("user_count", Integer, nullable=False, server_default="0"),
    # Accepted since the last log, and users whom the destination left out, with the reason it gave for one of them.
    Column("added", Integer, nullable=False, server_default="0"),
    Column("removed", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("skip_reason", Text),
    CheckConstraint("status IN ('inactive', 'active', 'error')", name="status"),
    Index("activations_tenant_id_idx", "tenant_id"),
    Index("activations_segment_id_idx", "segment_id"),
    Index("activations_sent_segment_id_idx", "sent_segment_id"),
    Index("activations_target_segment_id_idx", "target_segment_id"),
)

# Attempts of syncs, append-only.
activation_logs = Table(
    "activation_logs",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("activation_id", Id, ForeignKey("activations.id", ondelete="CASCADE"), nullable=False),
    Column("status", Text, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("user_count", Integer, nullable=False),
    Column("error_message", Text),
    Column("attempt", Integer, nullable=False),
    Column("synced_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("status IN ('success', 'failed')", name="status"),
    Index("activation_logs_activation_id_id_idx", "activation_id", "id"),
    Index("activation_logs_synced_at_idx", "synced_at"),
)

# Which connectors tell their destination that users were erased: a row for each erasure and connector.
erasure_removals = Table(
    "erasure_removals",
    metadata,
    Column("erasure_id", Id, primary_key=True),
    Column("activation_id", Id, ForeignKey("activations.id", ondelete="CASCADE"), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    # Empty when the destination was told.
    Column("user_ids", ARRAY(UserId), nullable=False, server_default="{}"),
    # When it is told next; null until the ledger has forgotten the users, and when the destination was told.
    Column("next_attempt_at", Moment),
    Column("failing_since", Moment),
    Column("last_error", Text),
    Index("erasure_removals_activation_id_idx", "activation_id"),
    Index("erasure_removals_next_attempt_at_idx", "next_attempt_at"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("url", Text, nullable=False),
    # Encrypted; null without one.
    Column("secret", LargeBinary),
    Column("description", Text, nullable=False, server_default=""),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Index("webhooks_tenant_id_idx", "tenant_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("webhook_id", Id, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    # No foreign keys: a delivery outlives the segment and the run that it tells of.
    Column("segment_id", Id, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    # Exactly what is signed and sent.
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("response_status", Integer),
    Column("error", Text),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    # While it is pending: when it is sent next, or, while that is under way, when that is taken to have been lost.
    Column("next_attempt_at", Moment),
    # When it was asked for: it was created, or is to be delivered again.
    Column("asked_at", Moment, nullable=False, server_default=func.now()),
    Column("delivered_at", Moment),
    UniqueConstraint("webhook_id", "run_id"),
    CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="status"),
    Index("webhook_deliveries_webhook_id_created_at_idx", "webhook_id", "created_at", "id"),
    Index("webhook_deliveries_created_at_idx", "created_at"),
    Index(
        "webhook_deliveries_webhook_id_next_attempt_at_idx",
        "webhook_id",
        "next_attempt_at",
        postgresql_where=text("status = 'pending'"),
    ),
)

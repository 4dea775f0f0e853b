"""Tables of the segments service."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)

from services.schema.base import Id, Moment, UserId, metadata

segments = Table(
    "segments",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("segment_type", Text, nullable=False, server_default="rule"),
    Column("description", Text, nullable=False, server_default=""),
    # JSON, not JSONB: a definition reads back in the order it was written.
    Column("definition", JSON(none_as_null=True)),
    Column("status", Text, nullable=False, server_default="draft"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("member_count", Integer, nullable=False, server_default="0"),
    Column("last_computed_at", Moment),
    Column("last_error", Text),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("refresh_minutes", Integer),
    # When the schedule computes it next; null without a schedule.
    Column("refresh_at", Moment),
    # The last run of its ledger; null before the first.
    Column("last_run_id", BigInteger),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("updated_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("segment_type IN ('rule', 'ai', 'lookalike')", name="segment_type"),
    CheckConstraint("status IN ('draft', 'computing', 'computed', 'failed')", name="status"),
    Index("segments_tenant_id_idx", "tenant_id"),
    Index("segments_refresh_at_idx", "refresh_at", postgresql_where=text("refresh_at IS NOT NULL")),
)

# Which segments a definition refers to. A segment that is referred to cannot be deleted.
segment_references = Table(
    "segment_references",
    metadata,
    Column("segment_id", Id, ForeignKey("segments.id", ondelete="CASCADE"), primary_key=True),
    Column("referenced_id", Id, ForeignKey("segments.id"), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Index("segment_references_referenced_id_idx", "referenced_id"),
)

segment_versions = Table(
    "segment_versions",
    metadata,
    Column("segment_id", Id, ForeignKey("segments.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("definition", JSON(none_as_null=True)),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    # `user:<id>`, `key:<id>` or `service:<name>`.
    Column("created_by", Text, nullable=False),
)

# Who is in which segment. The primary key answers "which segments is this user in" with one index look-up, the other
# index walks the members of one segment in order.
memberships = Table(
    "memberships",
    metadata,
    Column("tenant_id", Id, primary_key=True),
    Column("user_id", UserId, primary_key=True),
    # No foreign key: checking it takes a third of a compute's time. The segment's row is locked while members are
    # added, and its deletion deletes them.
    Column("segment_id", Id, primary_key=True),
    Column("entered_at", Moment, nullable=False),
    Index(
        "memberships_segment_id_user_id_idx",
        "segment_id",
        "user_id",
        unique=True,
        postgresql_include=["entered_at"],
    ),
)

# The ledger, append-only: a row for each change of a segment's membership as a whole, and in `membership_changes` one
# for each user who entered or left. Runs of one segment have ascending ids, in the order in which they were committed.
segment_runs = Table(
    "segment_runs",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("segment_id", Id, ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
    # Of the definition that decided.
    Column("version", Integer, nullable=False),
    # requested, schedule or dependency.
    Column("cause", Text, nullable=False),
    # The instant the segment was evaluated at.
    Column("computed_at", Moment, nullable=False),
    Column("entered", Integer, nullable=False),
    Column("exited", Integer, nullable=False),
    Column("member_count", Integer, nullable=False),
    Index("segment_runs_segment_id_id_idx", "segment_id", "id"),
    Index("segment_runs_segment_id_computed_at_idx", "segment_id", "computed_at"),
)

membership_changes = Table(
    "membership_changes",
    metadata,
    # No foreign keys, as in `memberships`.
    Column("segment_id", Id, primary_key=True),
    Column("run_id", BigInteger, primary_key=True),
    Column("user_id", UserId, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    # Whether the user entered; else they left.
    Column("entered", Boolean, nullable=False),
)

exports = Table(
    "exports",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("segment_id", Id, ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
    Column("format", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    # Where the file is, below the exports' directory or bucket; null while there is none.
    Column("object_key", Text),
    Column("row_count", Integer),
    Column("error", Text),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("expires_at", Moment),
    CheckConstraint("format IN ('csv', 'parquet')", name="format"),
    CheckConstraint("status IN ('pending', 'running', 'complete', 'failed', 'expired')", name="status"),
    Index("exports_segment_id_idx", "segment_id"),
    Index("exports_expires_at_idx", "expires_at", postgresql_where=text("status = 'complete'")),
)

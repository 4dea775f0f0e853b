"""Tables of the segments service."""

from sqlalchemy import (
    JSON,
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
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("updated_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("segment_type IN ('rule', 'ai', 'lookalike')", name="segment_type"),
    CheckConstraint("status IN ('draft', 'computing', 'computed', 'failed')", name="status"),
    Index("segments_tenant_id_idx", "tenant_id"),
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

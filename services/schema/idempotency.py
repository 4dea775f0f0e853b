"""Answers that every service keeps for requests with an Idempotency-Key."""

from sqlalchemy import Boolean, Column, Index, LargeBinary, Table, Uuid, text

from services.schema.base import Id, Moment, metadata

idempotent_answers = Table(
    "idempotent_answers",
    metadata,
    # Of caller, path and key. This and the body's are hashes that nobody can make without the platform's secret.
    Column("id", LargeBinary, primary_key=True),
    # 0 for callers without one.
    Column("tenant_id", Id, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    # Whoever answers it: one of the times it was sent.
    Column("holder", Uuid, nullable=False),
    # Encrypted under a key that only the same request makes; null while it is not known.
    Column("answer", LargeBinary),
    Column("is_failure", Boolean, nullable=False, server_default=text("false")),
    # After this the row counts as absent. While there is no answer its holder moves this on.
    Column("expires_at", Moment, nullable=False),
    Index("idempotent_answers_expires_at_idx", "expires_at"),
)

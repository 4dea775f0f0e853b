"""Tables of the identity service."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from services.schema.base import Id, Moment, metadata

users = Table(
    "users",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Index("users_email_key", text("lower(email)"), unique=True),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    UniqueConstraint("slug"),
    CheckConstraint("plan IN ('free', 'starter', 'business', 'enterprise')", name="plan"),
)

members = Table(
    "members",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("joined_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="role"),
    Index("members_user_id_idx", "user_id"),
    Index("members_one_owner_key", "tenant_id", unique=True, postgresql_where=text("role = 'owner'")),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("key_type", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    # SHA-256 of the whole key: 32 random bytes need no slow hash.
    Column("key_hash", LargeBinary, nullable=False),
    Column("created_by", Id, ForeignKey("users.id", ondelete="SET NULL")),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("last_used_at", Moment),
    Column("allowed_origins", ARRAY(Text), nullable=False, server_default="{}"),
    Column("require_signed_user_id", Boolean, nullable=False, server_default=text("false")),
    # Signs user ids; encrypted.
    Column("hmac_secret", LargeBinary),
    UniqueConstraint("key_hash"),
    CheckConstraint("key_type IN ('secret', 'public')", name="key_type"),
    CheckConstraint("(key_type = 'public') = (hmac_secret IS NOT NULL)", name="hmac_secret"),
    Index("api_keys_tenant_id_idx", "tenant_id"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Every token that descends from one sign-in.
    Column("family_id", Uuid, nullable=False),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("tenant_id", Id, ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Index("refresh_tokens_family_id_idx", "family_id"),
    Index("refresh_tokens_expires_at_idx", "expires_at"),
)

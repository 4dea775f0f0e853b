"""Tables of the identity service."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
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
    # Counts where the plan sets no limit; null for any number. The operator's to set.
    Column("api_calls_per_minute", Integer),
    # Of the addresses that may be invited; empty for any.
    Column("invitation_domains", ARRAY(Text), nullable=False, server_default="{}"),
    UniqueConstraint("slug"),
    CheckConstraint("plan IN ('free', 'starter', 'business', 'enterprise')", name="plan"),
    CheckConstraint("api_calls_per_minute >= 1", name="api_calls_per_minute"),
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
    # Who is removed from a tenant has no tokens for it, also none that were being made meanwhile.
    ForeignKeyConstraint(["tenant_id", "user_id"], ["members.tenant_id", "members.user_id"], ondelete="CASCADE"),
    Index("refresh_tokens_family_id_idx", "family_id"),
    Index("refresh_tokens_expires_at_idx", "expires_at"),
    Index("refresh_tokens_tenant_id_user_id_idx", "tenant_id", "user_id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    # SHA-256 of 32 random bytes in base62.
    Column("token_hash", LargeBinary, nullable=False),
    Column("created_by", Id, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("expires_at", Moment, nullable=False),
    # Who is removed from a tenant leaves no door open.
    ForeignKeyConstraint(["tenant_id", "created_by"], ["members.tenant_id", "members.user_id"], ondelete="CASCADE"),
    UniqueConstraint("token_hash"),
    CheckConstraint("role IN ('admin', 'member', 'viewer')", name="role"),
    Index("invitations_tenant_id_email_key", "tenant_id", text("lower(email)"), unique=True),
    Index("invitations_tenant_id_created_by_idx", "tenant_id", "created_by"),
)

# Passwords being tried, and those that were wrong within the last minute. Accounts and addresses are told apart by
# hashes that nobody can make without the platform's secret.
sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account", LargeBinary, nullable=False),
    Column("address", LargeBinary, nullable=False),
    Column("is_running", Boolean, nullable=False, server_default=text("true")),
    Column("started_at", Moment, nullable=False, server_default=func.clock_timestamp()),
    Index("sign_in_attempts_account_idx", "account"),
    Index("sign_in_attempts_address_idx", "address"),
    Index("sign_in_attempts_started_at_idx", "started_at"),
)

# From where a person has shown the password: what strangers try elsewhere does not shut these out.
known_addresses = Table(
    "known_addresses",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", LargeBinary, primary_key=True),
    Column("seen_at", Moment, nullable=False, server_default=func.now()),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    # The `kid` of tokens.
    Column("id", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    # Encrypted.
    Column("private_key", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    # It signs from then on, until the next one does.
    Column("signs_from", Moment, nullable=False),
)

"""Settings of tenants, invitations, and failed attempts to sign in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime(timezone=True)
TABLES = ("invitations", "sign_in_attempts", "known_addresses")


def upgrade() -> None:
    add_to_tenants()
    tie_refresh_tokens()
    create_invitations()
    create_sign_in_attempts()
    grant()


def add_to_tenants() -> None:
    op.add_column("tenants", sa.Column("api_calls_per_minute", sa.Integer))
    op.add_column(
        "tenants", sa.Column("invitation_domains", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}")
    )
    op.create_check_constraint("api_calls_per_minute", "tenants", "api_calls_per_minute >= 1")


def tie_refresh_tokens() -> None:
    op.execute("""
        DELETE FROM refresh_tokens WHERE NOT EXISTS (
          SELECT FROM members
          WHERE members.tenant_id = refresh_tokens.tenant_id AND members.user_id = refresh_tokens.user_id)""")
    op.create_index("refresh_tokens_tenant_id_user_id_idx", "refresh_tokens", ["tenant_id", "user_id"])
    op.create_foreign_key(
        "refresh_tokens_tenant_id_user_id_fkey",
        "refresh_tokens",
        "members",
        ["tenant_id", "user_id"],
        ["tenant_id", "user_id"],
        ondelete="CASCADE",
    )


def create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_by", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "created_by"],
            ["members.tenant_id", "members.user_id"],
            name="invitations_tenant_id_created_by_fkey",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("token_hash", name="invitations_token_hash_key"),
        sa.CheckConstraint("role IN ('admin', 'member', 'viewer')", name="role"),
    )
    op.create_index(
        "invitations_tenant_id_email_key", "invitations", ["tenant_id", sa.text("lower(email)")], unique=True
    )
    op.create_index("invitations_tenant_id_created_by_idx", "invitations", ["tenant_id", "created_by"])


def create_sign_in_attempts() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("account", sa.LargeBinary, nullable=False),
        sa.Column("address", sa.LargeBinary, nullable=False),
        sa.Column("is_running", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("started_at", MOMENT, nullable=False, server_default=sa.func.clock_timestamp()),
    )
    for column in ("account", "address", "started_at"):
        op.create_index(f"sign_in_attempts_{column}_idx", "sign_in_attempts", [column])
    op.create_table(
        "known_addresses",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("address", sa.LargeBinary, primary_key=True),
        sa.Column("seen_at", MOMENT, nullable=False, server_default=sa.func.now()),
    )


def grant() -> None:
    # To no other service: none of them has to do with whom a tenant invites and who signs in.
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO segops_identity")
    op.execute("ALTER TABLE invitations ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY find_tenant ON invitations TO segops_identity USING (true)")

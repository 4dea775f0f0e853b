"""Answers kept for requests with an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "idempotent_answers",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("body_hash", sa.LargeBinary, nullable=False),
        sa.Column("holder", sa.Uuid, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("is_failure", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("idempotent_answers_expires_at_idx", "idempotent_answers", ["expires_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_answers TO segops_app")
    op.execute("ALTER TABLE idempotent_answers ENABLE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY one_tenant ON idempotent_answers TO segops_app
        USING (tenant_id = nullif(current_setting('segops.tenant_id', true), '')::int)""")
    # Runs as the owner, over all tenants, so that the tenant role needs no right to see them.
    op.execute("""
        CREATE FUNCTION forget_idempotent_answers() RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = public
        AS 'DELETE FROM idempotent_answers WHERE expires_at <= now()'""")

"""Erasures of users: what runs, whose late events are not taken, and which connectors tell their destinations."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = ("erasures", "erased_users", "erasure_removals")


def upgrade() -> None:
    create_erasures()
    create_removals()
    announce()
    grant()


def create_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="queued"),
        sa.Column("user_ids", sa.ARRAY(sa.Text(collation="C")), nullable=False, server_default="{}"),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("stores", sa.JSON, nullable=False),
        sa.CheckConstraint("status IN ('queued', 'running', 'complete')", name="erasures_status_check"),
    )
    unfinished = sa.text("status <> 'complete'")
    op.create_index("erasures_unfinished_idx", "erasures", ["tenant_id"], postgresql_where=unfinished)
    op.create_table(
        "erased_users",
        sa.Column("tenant_id", sa.Integer, primary_key=True),
        sa.Column("pseudonym", sa.LargeBinary, primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_running", sa.Boolean, nullable=False, server_default=sa.text("true")),
    )


def create_removals() -> None:
    op.create_table(
        "erasure_removals",
        sa.Column("erasure_id", sa.Integer, primary_key=True),
        sa.Column("activation_id", sa.Integer, sa.ForeignKey("activations.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("user_ids", sa.ARRAY(sa.Text(collation="C")), nullable=False, server_default="{}"),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("failing_since", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text),
    )
    op.create_index("erasure_removals_activation_id_idx", "erasure_removals", ["activation_id"])
    op.create_index("erasure_removals_next_attempt_at_idx", "erasure_removals", ["next_attempt_at"])


def announce() -> None:
    """Tells ingestion, which looks at the tenant's rules anew; and whose connectors have something to tell."""
    op.execute("""
        CREATE FUNCTION announce_erased_user() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_notify(''ingestion'', NEW.tenant_id::text); RETURN NULL; END'""")
    op.execute("""
        CREATE TRIGGER announce_erased_user AFTER INSERT OR UPDATE ON erased_users
        FOR EACH ROW EXECUTE FUNCTION announce_erased_user()""")
    op.execute("""
        CREATE FUNCTION due_removals(most int) RETURNS TABLE (tenant_id int, activation_id int)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT DISTINCT tenant_id, activation_id FROM erasure_removals
         WHERE next_attempt_at <= now() AND failing_since IS NOT NULL LIMIT most'""")


def grant() -> None:
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO segops_app")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_tenant ON {table} TO segops_app
            USING (tenant_id = nullif(current_setting('segops.tenant_id', true), '')::int)""")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO segops_app")

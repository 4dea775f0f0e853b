"""The membership ledger, references between segments, the schedule, exports."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)
TABLES = ("segment_references", "segment_runs", "membership_changes", "exports")


def upgrade() -> None:
    extend_segments()
    create_references()
    create_ledger()
    create_exports()
    grant()
    begin_ledger()


def extend_segments() -> None:
    op.add_column("segments", sa.Column("refresh_at", MOMENT))
    op.add_column("segments", sa.Column("last_run_id", sa.BigInteger))
    op.create_index(
        "segments_refresh_at_idx", "segments", ["refresh_at"], postgresql_where=sa.text("refresh_at IS NOT NULL")
    )
    op.execute("""
        UPDATE segments SET refresh_at = now()
        WHERE refresh_minutes IS NOT NULL AND is_active AND definition IS NOT NULL""")
    # Runs as the owner, over all tenants, so that the tenant role needs no right to see them.
    op.execute("""
        CREATE FUNCTION due_segments(most int) RETURNS TABLE (tenant_id int, segment_id int)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT tenant_id, id FROM segments WHERE refresh_at <= now() ORDER BY refresh_at LIMIT most'""")


def create_references() -> None:
    op.create_table(
        "segment_references",
        sa.Column("segment_id", sa.Integer, sa.ForeignKey("segments.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("referenced_id", sa.Integer, sa.ForeignKey("segments.id"), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
    )
    op.create_index("segment_references_referenced_id_idx", "segment_references", ["referenced_id"])


def create_ledger() -> None:
    op.create_table(
        "segment_runs",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("segment_id", sa.Integer, sa.ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("computed_at", MOMENT, nullable=False),
        sa.Column("entered", sa.Integer, nullable=False),
        sa.Column("exited", sa.Integer, nullable=False),
        sa.Column("member_count", sa.Integer, nullable=False),
    )
    op.create_index("segment_runs_segment_id_id_idx", "segment_runs", ["segment_id", "id"])
    op.create_table(
        "membership_changes",
        sa.Column("segment_id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.BigInteger, primary_key=True),
        sa.Column("user_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("entered", sa.Boolean, nullable=False),
    )


def create_exports() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("segment_id", sa.Integer, sa.ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("object_key", sa.Text),
        sa.Column("row_count", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", MOMENT),
        sa.CheckConstraint("format IN ('csv', 'parquet')", name="exports_format_check"),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'complete', 'failed', 'expired')", name="exports_status_check"
        ),
    )
    op.create_index("exports_segment_id_idx", "exports", ["segment_id"])
    op.create_index(
        "exports_expires_at_idx", "exports", ["expires_at"], postgresql_where=sa.text("status = 'complete'")
    )
    # Over all tenants, as due_segments.
    op.execute("""
        CREATE FUNCTION expired_exports(most int) RETURNS TABLE (tenant_id int, export_id int)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT tenant_id, id FROM exports WHERE status = ''complete'' AND expires_at <= now()
         ORDER BY expires_at LIMIT most'""")


def grant() -> None:
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO segops_app")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_tenant ON {table} TO segops_app
            USING (tenant_id = nullif(current_setting('segops.tenant_id', true), '')::int)""")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO segops_app")


def begin_ledger() -> None:
    """Who is a member already entered before the ledger began: one run for each computed segment says so."""
    op.execute("""
        INSERT INTO segment_runs (tenant_id, segment_id, version, cause, computed_at, entered, exited, member_count)
        SELECT tenant_id, id, version, 'requested', last_computed_at, member_count, 0, member_count
        FROM segments WHERE last_computed_at IS NOT NULL""")
    op.execute("""
        INSERT INTO membership_changes (segment_id, run_id, user_id, tenant_id, entered)
        SELECT m.segment_id, r.id, m.user_id, m.tenant_id, true
        FROM memberships m JOIN segment_runs r USING (segment_id)""")
    op.execute("UPDATE segments SET last_run_id = r.id FROM segment_runs r WHERE r.segment_id = segments.id")

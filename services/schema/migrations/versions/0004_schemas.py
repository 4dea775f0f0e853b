"""Event schemas, and what announces changes of a tenant's rules; the monthly counts of events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)
TABLES = ("event_schemas", "event_counts")


def upgrade() -> None:
    create_tables()
    announce_rules()
    grant()


def create_tables() -> None:
    op.create_table(
        "event_schemas",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("event_type", sa.Text(collation="C"), nullable=False),
        sa.Column("properties", postgresql.JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("tenant_id", "event_type", name="event_schemas_tenant_id_event_type_key"),
    )
    op.create_table(
        "event_counts",
        sa.Column("tenant_id", sa.Integer, primary_key=True),
        sa.Column("month", sa.Date, primary_key=True),
        sa.Column("events", sa.BigInteger, nullable=False),
    )


def announce_rules() -> None:
    # The ingestion service forgets what it knows of a tenant.
    op.execute("""
        CREATE FUNCTION announce_schema() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_notify(''ingestion'', coalesce(NEW.tenant_id, OLD.tenant_id)::text); RETURN NULL; END'""")
    op.execute("""
        CREATE FUNCTION announce_plan() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_notify(''ingestion'', NEW.id::text); RETURN NULL; END'""")
    op.execute("""
        CREATE TRIGGER announce_schema AFTER INSERT OR UPDATE OR DELETE ON event_schemas
        FOR EACH ROW EXECUTE FUNCTION announce_schema()""")
    op.execute("""
        CREATE TRIGGER announce_plan AFTER INSERT OR UPDATE OF plan ON tenants
        FOR EACH ROW EXECUTE FUNCTION announce_plan()""")


def grant() -> None:
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO segops_app")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_tenant ON {table} TO segops_app
            USING (tenant_id = nullif(current_setting('segops.tenant_id', true), '')::int)""")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO segops_app")

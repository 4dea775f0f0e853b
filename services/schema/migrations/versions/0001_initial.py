"""Accounts, tenants, keys, segments, memberships, event errors, the job queue."""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
IDENTITY_TABLES = ("users", "tenants", "members", "api_keys", "refresh_tokens")
SERVICE_TABLES = ("segments", "segment_versions", "memberships", "event_errors")
# Tables whose rows belong to one tenant, with the column that says which.
TENANT_TABLES = {
    "tenants": "id",
    "members": "tenant_id",
    "api_keys": "tenant_id",
    "segments": "tenant_id",
    "segment_versions": "tenant_id",
    "memberships": "tenant_id",
    "event_errors": "tenant_id",
}


def upgrade() -> None:
    create_roles()
    create_identity()
    create_segments()
    create_event_errors()
    create_jobs()
    grant()
    isolate_tenants()
    announce_credentials()


def create_roles() -> None:
    # The migrating user must be able to act as the roles it makes, and to hand their rights out.
    op.execute("""
        DO $$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'segops_app') THEN CREATE ROLE segops_app NOLOGIN; END IF;
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'segops_identity') THEN
            CREATE ROLE segops_identity NOLOGIN;
          END IF;
        END $$""")
    op.execute("GRANT segops_app, segops_identity TO current_user")
    op.execute("GRANT segops_app TO segops_identity")


def create_identity() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    )
    op.create_index("users_email_key", "users", [sa.text("lower(email)")], unique=True)
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("slug", name="tenants_slug_key"),
        sa.CheckConstraint("plan IN ('free', 'starter', 'business', 'enterprise')", name="tenants_plan_check"),
    )
    op.create_table(
        "members",
        sa.Column("tenant_id", sa.Integer, sa.ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("joined_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="members_role_check"),
    )
    op.create_index("members_user_id_idx", "members", ["user_id"])
    op.create_index(
        "members_one_owner_key", "members", ["tenant_id"], unique=True, postgresql_where=sa.text("role = 'owner'")
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, sa.ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key_type", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_by", sa.Integer, sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("last_used_at", MOMENT),
        sa.UniqueConstraint("key_hash", name="api_keys_key_hash_key"),
        sa.CheckConstraint("key_type IN ('secret', 'public')", name="api_keys_key_type_check"),
    )
    op.create_index("api_keys_tenant_id_idx", "api_keys", ["tenant_id"])
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("family_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("tenant_id", sa.Integer, sa.ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
    )
    op.create_index("refresh_tokens_family_id_idx", "refresh_tokens", ["family_id"])
    op.create_index("refresh_tokens_expires_at_idx", "refresh_tokens", ["expires_at"])


def create_segments() -> None:
    op.create_table(
        "segments",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("segment_type", sa.Text, nullable=False, server_default="rule"),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("definition", postgresql.JSON),
        sa.Column("status", sa.Text, nullable=False, server_default="draft"),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("member_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_computed_at", MOMENT),
        sa.Column("last_error", sa.Text),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refresh_minutes", sa.Integer),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("segment_type IN ('rule', 'ai', 'lookalike')", name="segments_segment_type_check"),
        sa.CheckConstraint("status IN ('draft', 'computing', 'computed', 'failed')", name="segments_status_check"),
    )
    op.create_index("segments_tenant_id_idx", "segments", ["tenant_id"])
    op.create_table(
        "segment_versions",
        sa.Column("segment_id", sa.Integer, sa.ForeignKey("segments.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("definition", postgresql.JSON),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_table(
        "memberships",
        sa.Column("tenant_id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("segment_id", sa.Integer, primary_key=True),
        sa.Column("entered_at", MOMENT, nullable=False),
    )
    op.create_index(
        "memberships_segment_id_user_id_idx",
        "memberships",
        ["segment_id", "user_id"],
        unique=True,
        postgresql_include=["entered_at"],
    )
    # The hottest question in one round trip: entering the tenant and asking would be four. It runs with the caller's
    # rights, so that row-level security applies.
    op.execute("""
        CREATE FUNCTION segments_of_users(asked_tenant_id int, asked_user_ids text[])
        RETURNS TABLE (user_id text, segment_id int, name text, computed_at timestamptz, entered_at timestamptz)
        LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM set_config('segops.tenant_id', asked_tenant_id::text, true);
          RETURN QUERY
          SELECT m.user_id, m.segment_id, s.name, s.last_computed_at, m.entered_at
          FROM memberships m JOIN segments s ON s.id = m.segment_id
          WHERE m.tenant_id = asked_tenant_id AND m.user_id = ANY(asked_user_ids)
          ORDER BY m.segment_id;
        END $$""")


def create_event_errors() -> None:
    op.create_table(
        "event_errors",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_index("event_errors_tenant_id_id_idx", "event_errors", ["tenant_id", "id"])
    op.create_index("event_errors_received_at_idx", "event_errors", ["received_at"])
    # Runs as the owner, over all tenants, so that the tenant role needs no right to see them.
    op.execute("""
        CREATE FUNCTION forget_event_errors(older_than interval) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = public
        AS 'DELETE FROM event_errors WHERE received_at < now() - older_than'""")


def create_jobs() -> None:
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))


def grant() -> None:
    op.execute("GRANT USAGE ON SCHEMA public TO segops_app, segops_identity")
    op.execute("GRANT SELECT ON alembic_version TO segops_app, segops_identity")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(IDENTITY_TABLES)} TO segops_identity")
    # The identity service drops to the tenant role for what belongs to one tenant.
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys, members TO segops_app")
    op.execute("GRANT SELECT ON tenants TO segops_app")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(SERVICE_TABLES)} TO segops_app")
    op.execute("""
        DO $$ DECLARE item record; BEGIN
          FOR item IN SELECT tablename FROM pg_tables
                      WHERE schemaname = 'public' AND tablename LIKE 'procrastinate%' LOOP
            EXECUTE format('GRANT ALL ON %I TO segops_app', item.tablename);
          END LOOP;
        END $$""")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO segops_app, segops_identity")


def isolate_tenants() -> None:
    for table, column in TENANT_TABLES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_tenant ON {table} TO segops_app
            USING ({column} = nullif(current_setting('segops.tenant_id', true), '')::int)""")
    for table in ("tenants", "members", "api_keys"):
        op.execute(f"CREATE POLICY find_tenant ON {table} TO segops_identity USING (current_user = 'segops_identity')")


def announce_credentials() -> None:
    # The edge forgets what it knows of a credential when one of these changes; uses of a key are no change.
    op.execute("""
        CREATE FUNCTION announce_credential() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_TABLE_NAME = 'api_keys' THEN PERFORM pg_notify('credentials', 'key:' || OLD.id);
          ELSIF TG_TABLE_NAME = 'members' THEN PERFORM pg_notify('credentials', 'user:' || OLD.user_id);
          ELSE PERFORM pg_notify('credentials', 'tenant:' || OLD.id);
          END IF;
          RETURN NULL;
        END $$""")
    changes = {
        "api_keys": "DELETE OR UPDATE OF key_hash, key_type, tenant_id",
        "members": "DELETE OR UPDATE",
        "tenants": "DELETE OR UPDATE",
    }
    for table, change in changes.items():
        op.execute(f"""
            CREATE TRIGGER announce_credential AFTER {change} ON {table}
            FOR EACH ROW EXECUTE FUNCTION announce_credential()""")
    # A new membership can change which tenant a person falls back to.
    op.execute("""
        CREATE FUNCTION announce_member() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_notify(''credentials'', ''user:'' || NEW.user_id); RETURN NULL; END'""")
    op.execute("""
        CREATE TRIGGER announce_member AFTER INSERT ON members
        FOR EACH ROW EXECUTE FUNCTION announce_member()""")

"""Links between user ids of one person."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "user_links",
        sa.Column("tenant_id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("linked_to", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index("user_links_tenant_id_linked_to_idx", "user_links", ["tenant_id", "linked_to"])
    op.create_index("user_links_tenant_id_person_id_idx", "user_links", ["tenant_id", "person_id"])
    op.create_index("user_links_tenant_id_version_idx", "user_links", ["tenant_id", "version"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON user_links TO segops_app")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO segops_app")
    op.execute("ALTER TABLE user_links ENABLE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY one_tenant ON user_links TO segops_app
        USING (tenant_id = nullif(current_setting('segops.tenant_id', true), '')::int)""")
    look_under_all_ids()


def look_under_all_ids() -> None:
    """Membership of a user id is that of the person; see the first migration for how the function enters the tenant."""
    # Most ids were never linked: that is known from two indexes, and then they are looked up as they were before.
    op.execute("""
        CREATE OR REPLACE FUNCTION segments_of_users(asked_tenant_id int, asked_user_ids text[])
        RETURNS TABLE (user_id text, segment_id int, name text, computed_at timestamptz, entered_at timestamptz)
        LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM set_config('segops.tenant_id', asked_tenant_id::text, true);
          IF NOT (
            EXISTS (SELECT FROM user_links l WHERE l.tenant_id = asked_tenant_id AND l.user_id = ANY(asked_user_ids))
            OR EXISTS (
              SELECT FROM user_links l WHERE l.tenant_id = asked_tenant_id AND l.person_id = ANY(asked_user_ids))
          ) THEN
            RETURN QUERY
            SELECT m.user_id, m.segment_id, s.name, s.last_computed_at, m.entered_at
            FROM memberships m JOIN segments s ON s.id = m.segment_id
            WHERE m.tenant_id = asked_tenant_id AND m.user_id = ANY(asked_user_ids)
            ORDER BY m.segment_id;
            RETURN;
          END IF;
          RETURN QUERY
          WITH asked AS (
            SELECT a.user_id, coalesce(l.person_id, a.user_id) AS person_id
            FROM unnest(asked_user_ids) AS a (user_id)
            LEFT JOIN user_links l ON l.tenant_id = asked_tenant_id AND l.user_id = a.user_id),
          ids AS (
            SELECT a.user_id AS asked_id, a.person_id AS own_id FROM asked a
            UNION
            SELECT a.user_id, l.user_id
            FROM asked a JOIN user_links l ON l.tenant_id = asked_tenant_id AND l.person_id = a.person_id)
          SELECT i.asked_id, m.segment_id, s.name, s.last_computed_at, min(m.entered_at)
          FROM ids i
          JOIN memberships m ON m.tenant_id = asked_tenant_id AND m.user_id = i.own_id
          JOIN segments s ON s.id = m.segment_id
          GROUP BY i.asked_id, m.segment_id, s.id
          ORDER BY m.segment_id;
        END $$""")

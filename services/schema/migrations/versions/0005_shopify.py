"""Shopify integrations, the webhooks that were taken, and whose the checkouts are."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)
TABLES = ("shopify_integrations", "shopify_deliveries", "shopify_checkouts")


def upgrade() -> None:
    create_tables()
    create_functions()
    grant()


def create_tables() -> None:
    op.create_table(
        "shopify_integrations",
        sa.Column("tenant_id", sa.Integer, primary_key=True),
        sa.Column("webhook_secret", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "shopify_deliveries",
        sa.Column("tenant_id", sa.Integer, primary_key=True),
        sa.Column("content_hash", sa.LargeBinary, primary_key=True),
        sa.Column("webhook_id", sa.Text),
        sa.Column("received_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("tenant_id", "webhook_id", name="shopify_deliveries_tenant_id_webhook_id_key"),
    )
    op.create_index("shopify_deliveries_received_at_idx", "shopify_deliveries", ["received_at"])
    op.create_table(
        "shopify_checkouts",
        sa.Column("tenant_id", sa.Integer, primary_key=True),
        sa.Column("reference", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False, server_default=sa.func.now()),
    )
    op.create_index("shopify_checkouts_received_at_idx", "shopify_checkouts", ["received_at"])


def create_functions() -> None:
    # They run as the owner, over all tenants: a webhook names its tenant, and is believed by its signature only.
    op.execute("""
        CREATE FUNCTION shopify_integration(of_slug text) RETURNS TABLE (tenant_id int, webhook_secret bytea)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT shopify_integrations.tenant_id, shopify_integrations.webhook_secret
         FROM shopify_integrations JOIN tenants ON tenants.id = shopify_integrations.tenant_id
         WHERE tenants.slug = of_slug'""")
    op.execute("""
        CREATE FUNCTION forget_shopify(older_than interval) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = public AS
        'DELETE FROM shopify_deliveries WHERE received_at < now() - older_than;
         DELETE FROM shopify_checkouts WHERE received_at < now() - older_than'""")


def grant() -> None:
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO segops_app")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_tenant ON {table} TO segops_app
            USING (tenant_id = nullif(current_setting('segops.tenant_id', true), '')::int)""")

"""Connectors with their logs, webhooks with their deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
TABLES = ("activations", "activation_logs", "webhooks", "webhook_deliveries")


def upgrade() -> None:
    create_activations()
    create_webhooks()
    create_functions()
    grant()


def create_activations() -> None:
    op.create_table(
        "activations",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("segment_id", sa.Integer, sa.ForeignKey("segments.id"), nullable=False),
        sa.Column("connector_type", sa.Text, nullable=False),
        sa.Column("config", postgresql.JSON, nullable=False),
        sa.Column("secrets", sa.LargeBinary),
        sa.Column("status", sa.Text, nullable=False, server_default="inactive"),
        sa.Column("last_synced_at", MOMENT),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("is_syncing", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("sync_once", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failing_since", MOMENT),
        sa.Column("sent_segment_id", sa.Integer, sa.ForeignKey("segments.id")),
        sa.Column("sent_run", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("target_segment_id", sa.Integer, sa.ForeignKey("segments.id")),
        sa.Column("target_run", sa.BigInteger),
        sa.Column("sent_through", sa.Text(collation="C")),
        sa.Column("tried_through", sa.Text(collation="C")),
        sa.Column("is_reverting", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("sync_number", sa.Integer, nullable=False, server_default="0"),
        sa.Column("user_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("added", sa.Integer, nullable=False, server_default="0"),
        sa.Column("removed", sa.Integer, nullable=False, server_default="0"),
        sa.Column("skipped", sa.Integer, nullable=False, server_default="0"),
        sa.Column("skip_reason", sa.Text),
        sa.CheckConstraint("status IN ('inactive', 'active', 'error')", name="activations_status_check"),
    )
    for column in ("tenant_id", "segment_id", "sent_segment_id", "target_segment_id"):
        op.create_index(f"activations_{column}_idx", "activations", [column])
    op.create_table(
        "activation_logs",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("activation_id", sa.Integer, sa.ForeignKey("activations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("removed", sa.Integer, nullable=False),
        sa.Column("user_count", sa.Integer, nullable=False),
        sa.Column("error_message", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("synced_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("status IN ('success', 'failed')", name="activation_logs_status_check"),
    )
    op.create_index("activation_logs_activation_id_id_idx", "activation_logs", ["activation_id", "id"])
    op.create_index("activation_logs_synced_at_idx", "activation_logs", ["synced_at"])


def create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.LargeBinary),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
    )
    op.create_index("webhooks_tenant_id_idx", "webhooks", ["tenant_id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        sa.Column("webhook_id", sa.Integer, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("segment_id", sa.Integer, nullable=False),
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("response_status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("next_attempt_at", MOMENT),
        sa.Column("asked_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("delivered_at", MOMENT),
        sa.UniqueConstraint("webhook_id", "run_id", name="webhook_deliveries_webhook_id_run_id_key"),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="webhook_deliveries_status_check"),
    )
    op.create_index(
        "webhook_deliveries_webhook_id_created_at_idx", "webhook_deliveries", ["webhook_id", "created_at", "id"]
    )
    op.create_index("webhook_deliveries_created_at_idx", "webhook_deliveries", ["created_at"])
    op.create_index(
        "webhook_deliveries_webhook_id_next_attempt_at_idx",
        "webhook_deliveries",
        ["webhook_id", "next_attempt_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )


def create_functions() -> None:
    # They run as the owner, over all tenants, so that the tenant role needs no right to see them.
    op.execute("""
        CREATE FUNCTION tenants_with_secrets() RETURNS TABLE (tenant_id int)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT tenant_id FROM activations WHERE secrets IS NOT NULL
         UNION SELECT tenant_id FROM webhooks WHERE secret IS NOT NULL'""")
    # From one webhook that waits for something to the next: what it costs does not grow with what one has to wait for.
    op.execute("""
        CREATE FUNCTION due_deliveries(most int, most_of_one int, passed_over int[])
        RETURNS TABLE (tenant_id int, webhook_id int, delivery_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'WITH RECURSIVE waiting (id) AS (
           (SELECT webhook_id FROM webhook_deliveries WHERE status = ''pending'' ORDER BY webhook_id LIMIT 1)
           UNION ALL
           SELECT (SELECT webhook_id FROM webhook_deliveries
                   WHERE status = ''pending'' AND webhook_id > waiting.id ORDER BY webhook_id LIMIT 1)
           FROM waiting WHERE waiting.id IS NOT NULL)
         SELECT due.tenant_id, due.webhook_id, due.id
         FROM waiting CROSS JOIN LATERAL (
           SELECT * FROM webhook_deliveries
           WHERE webhook_id = waiting.id AND status = ''pending'' AND next_attempt_at <= now()
           ORDER BY next_attempt_at LIMIT most_of_one) due
         WHERE waiting.id <> ALL (passed_over)
         ORDER BY due.next_attempt_at LIMIT most'""")
    # A delivery that is still tried stays.
    op.execute("""
        CREATE FUNCTION forget_attempts(older_than interval) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = public AS
        'DELETE FROM activation_logs WHERE synced_at < now() - older_than;
         DELETE FROM webhook_deliveries WHERE created_at < now() - older_than AND status <> ''pending'''""")


def grant() -> None:
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO segops_app")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"""
            CREATE POLICY one_tenant ON {table} TO segops_app
            USING (tenant_id = nullif(current_setting('segops.tenant_id', true), '')::int)""")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO segops_app")

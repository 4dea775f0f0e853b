"""What of all tenants together waits to be done, as numbers for metrics."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # They run as the owner, over all tenants, so that the tenant role needs no right to see them. What a connector has
    # not sent is counted by runs, not by users; since it was changed last it may not have had a chance to send.
    op.execute("""
        CREATE FUNCTION connector_backlog()
        RETURNS TABLE (changes bigint, active int, failing int, in_error int, oldest_seconds float)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT coalesce(sum(behind.changes), 0)::bigint,
                count(*) FILTER (WHERE status = ''active'')::int,
                count(*) FILTER (WHERE status = ''active'' AND failing_since IS NOT NULL)::int,
                count(*) FILTER (WHERE status = ''error'')::int,
                coalesce(extract(epoch FROM now() - min(greatest(behind.since, updated_at))
                  FILTER (WHERE behind.changes > 0)), 0)::float
         FROM activations LEFT JOIN LATERAL (
           SELECT sum(entered + exited) AS changes, min(computed_at) AS since FROM segment_runs AS runs
           WHERE runs.segment_id = activations.segment_id AND entered + exited > 0
             AND runs.id > CASE WHEN sent_segment_id = activations.segment_id THEN sent_run ELSE 0 END
         ) AS behind ON status = ''active'''""")
    op.execute("""
        CREATE FUNCTION delivery_backlog() RETURNS TABLE (pending bigint, oldest_seconds float)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT count(*), coalesce(extract(epoch FROM now() - min(asked_at)), 0)::float
         FROM webhook_deliveries WHERE status = ''pending'''""")
    op.execute("""
        CREATE FUNCTION erasure_backlog() RETURNS TABLE (running bigint, oldest_seconds float)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
        'SELECT count(*), coalesce(extract(epoch FROM now() - min(requested_at)), 0)::float
         FROM erasures WHERE status <> ''complete'''""")

"""Alembic environment: runs the migrations on the connection that `services.schema.migrate` passes in."""

from alembic import context

from services.schema import connectors, idempotency, identity, ingestion, profiles, segments  # noqa: F401 - declare their tables
from services.schema.base import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    # Without a connection the statements are only written down.
    dialect_name="postgresql",
    target_metadata=metadata,
    compare_server_default=True,
    transactional_ddl=True,
    include_name=lambda name, kind, parents: kind != "table" or name in metadata.tables,
)
with context.begin_transaction():
    context.run_migrations()

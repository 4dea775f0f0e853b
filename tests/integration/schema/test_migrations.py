"""The migrations, from zero, on real PostgreSQL."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from services.kit.settings import Settings
from services.schema import connectors, idempotency, identity, ingestion, profiles, segments  # noqa: F401 - declare their tables
from services.schema.base import metadata
from services.schema.migrate import migrate


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    engine = create_engine(settings.postgres_dsn)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_migrations_from_zero_equal_the_declared_schema(connection: Connection) -> None:
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_server_default": True,
            "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
        },
    )
    assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(settings: Settings, connection: Connection) -> None:
    migrate(settings)
    assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_every_table_with_a_tenant_is_under_row_level_security(connection: Connection) -> None:
    query = text("""
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND NOT c.relrowsecurity""")
    # A refresh token is found by its own id before the tenant is known; only identity's role may touch the table.
    assert connection.execute(query).scalars().all() == ["refresh_tokens"]


def test_the_tenant_role_reaches_no_table_of_identity_it_does_not_need(connection: Connection) -> None:
    query = text("SELECT has_table_privilege('segops_app', :name, 'SELECT')")
    for name in ("users", "refresh_tokens"):
        assert connection.execute(query, {"name": name}).scalar_one() is False

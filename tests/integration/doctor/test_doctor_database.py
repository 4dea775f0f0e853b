"""The doctor's look at PostgreSQL, at a server of its own on which one thing after the other is wrong."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from cli.doctor.database import check_database
from cli.doctor.finding import Finding, State
from services.kit.keys import ensure_secrets
from services.kit.settings import Settings
from services.schema.migrate import migrate
from tests.running import Running, wait_for

_numbers = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("doctor") / "data", "postgres")
    wait_for(running.database)
    yield running
    running.stop()


def superuser(server: Running, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
    host = server.settings.run_dir / "postgres"
    return psycopg.connect(host=str(host), user="postgres", dbname=database, autocommit=True)


@pytest.fixture
def settings(server: Running) -> Settings:
    """A database of the test's own, migrated."""
    name = f"doctor_{next(_numbers)}"
    with superuser(server) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER segops".encode())
    host = server.settings.run_dir / "postgres"
    url = f"postgresql://segops@/{name}?host={host}"
    settings = Settings(data_dir=server.settings.home, database_url=url)
    ensure_secrets(settings)
    migrate(settings)
    return settings


def sick(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_database(settings) if finding.state is not State.OK}


def execute(settings: Settings, *statements: str) -> None:
    with psycopg.connect(settings.libpq_dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_database_that_is_well(settings: Settings) -> None:
    assert sick(settings) == {}


def test_a_schema_that_is_missing_behind_or_ahead(settings: Settings) -> None:
    execute(settings, "UPDATE alembic_version SET version_num = '0001'")
    assert "segopsctl migrate" in sick(settings)["schema"].advice
    execute(settings, "UPDATE alembic_version SET version_num = 'of tomorrow'")
    assert "of a newer version" in sick(settings)["schema"].seen
    execute(settings, "DROP TABLE alembic_version")
    assert sick(settings)["schema"].seen == "There is none."


def test_a_table_without_its_guard(settings: Settings) -> None:
    execute(settings, "ALTER TABLE segments DISABLE ROW LEVEL SECURITY")
    assert "segments" in sick(settings)["schema"].seen


def test_a_role_that_passes_every_guard(server: Running, settings: Settings) -> None:
    with superuser(server) as connection:
        connection.execute("ALTER ROLE segops_app BYPASSRLS")
        try:
            assert "NOBYPASSRLS" in sick(settings)["schema"].advice
        finally:
            connection.execute("ALTER ROLE segops_app NOBYPASSRLS")


def test_jobs_that_nobody_works_on(settings: Settings) -> None:
    execute(
        settings,
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('segments', 'compute', 'todo')",
        "UPDATE procrastinate_events SET at = now() - interval '1 hour'",
    )
    found = sick(settings)["jobs"]
    assert (found.state, found.seen) == (State.WARNING, "1 of segments wait, the oldest for 60 minutes.")


def test_a_wrong_password(server: Running, settings: Settings) -> None:
    with superuser(server) as connection:
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        file = Path(str(row[0]))
        rules = file.read_text()
        connection.execute("ALTER ROLE segops PASSWORD 'the-right-one'")
        try:
            file.write_text(f"local all segops scram-sha-256\n{rules}")
            connection.execute("SELECT pg_reload_conf()")
            url = settings.database_url.replace("segops@", "segops:a-wrong-one@")
            found = wait_for(lambda: sick(Settings(data_dir=settings.home, database_url=url)))
            assert "SEGOPS_DATABASE_PASSWORD" in found["PostgreSQL"].advice
            assert "wrong-one" not in str(found)
        finally:
            file.write_text(rules)
            connection.execute("SELECT pg_reload_conf()")

"""A database of the previous release is migrated while that release works on it, by two at once, and by one that dies.

What the previous release may do is told by its schema: every statement here names only what was there at its revision.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, delete, insert, inspect, select, text, update

from services.kit.settings import Settings
from services.schema import connectors, idempotency, identity, ingestion, profiles, segments  # noqa: F401 - declare their tables
from services.schema.base import metadata
from services.schema.migrate import migrate, missing
from services.schema.releases import PREVIOUS_REVISION
from tests.integration.schema.rows import put
from tests.running import Running, environment, wait_for

TENANT = 7
# What the previous release has: its columns by table, its functions, and what its roles may do.
FUNCTIONS = """
    SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
"""
PRIVILEGES = """
    SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants
    WHERE table_schema = 'public' AND grantee IN ('segops_app', 'segops_identity')
"""
_numbers = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("upgrading") / "data", "postgres")
    wait_for(running.database)
    yield running
    running.stop()


@pytest.fixture
def settings(server: Running) -> Settings:
    """An empty database of the test's own."""
    host, name = server.settings.run_dir / "postgres", f"upgrading_{next(_numbers)}"
    with psycopg.connect(host=str(host), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER segops".encode())
    return Settings(data_dir=server.settings.home, database_url=f"postgresql://segops@/{name}?host={host}")


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings.postgres_dsn)
    yield engine
    engine.dispose()


class PreviousRelease:
    """Writes, reads, changes and deletes a row of every table, with the columns that it knows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        known = MetaData()
        known.reflect(engine)
        self._tables = {table.name: table for table in known.tables.values() if table.name in metadata.tables}
        self.functions, self.privileges = shape(engine)
        self.columns = {
            name: {column.name: str(column.type) for column in table.c} for name, table in self._tables.items()
        }
        self.rounds = 0
        self.failures: list[Exception] = []

    def work(self) -> None:
        """All of it once, in one transaction for each table, which is taken back: the next round finds the same."""
        for name in self._tables:
            with self._engine.connect() as connection:
                connection.execute(insert(self._tables["tenants"]).values(id=TENANT, slug="a", name="a", plan="free"))
                self._use(connection, name)
        self.rounds += 1

    @contextmanager
    def working(self) -> Iterator[None]:
        """Within the block it works without a pause; a failure of its is kept."""
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    self.work()
                except Exception as error:
                    self.failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _use(self, connection: Connection, name: str) -> None:
        old, made = self._tables[name], put(connection, _old(metadata.tables[name], self._tables), TENANT)
        key = [old.c[column.name] == made._mapping[column.name] for column in old.primary_key]
        [column, *_] = old.c
        assert connection.execute(select(old).where(*key)).one()
        connection.execute(update(old).where(*key).values({column.name: made._mapping[column.name]}))
        connection.execute(delete(old).where(*key))


def _old(table: Table, known: dict[str, Table]) -> Table:
    """A declared table, whose checks tell what may be in it; it must need no column that the old one has not."""
    old = known[table.name]
    unknown = [column for column in table.c if column.name not in old.c]
    assert all(column.nullable or column.server_default is not None for column in unknown)
    return table if not unknown else old


def shape(engine: Engine) -> tuple[set[Any], set[Any]]:
    with engine.connect() as connection:
        return set(connection.execute(text(FUNCTIONS)).scalars()), set(connection.execute(text(PRIVILEGES)).all())


def version(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def test_the_previous_release_works_while_its_database_is_migrated_and_after(
    settings: Settings, engine: Engine
) -> None:
    migrate(settings, PREVIOUS_REVISION)
    previous = PreviousRelease(engine)
    previous.work()
    with previous.working():
        before = previous.rounds
        migrate(settings)
        after = previous.rounds
        wait_for(lambda: previous.rounds > after or previous.failures)
    assert previous.failures == []
    assert previous.rounds > before
    assert version(engine) != PREVIOUS_REVISION


def test_what_the_previous_release_names_is_there_as_it_was(settings: Settings, engine: Engine) -> None:
    migrate(settings, PREVIOUS_REVISION)
    previous = PreviousRelease(engine)
    migrate(settings)
    here = inspect(engine)
    for table, columns in previous.columns.items():
        found = {column["name"]: str(column["type"]) for column in here.get_columns(table)}
        assert columns.items() <= found.items(), table
    functions, privileges = shape(engine)
    assert previous.functions <= functions
    assert previous.privileges <= privileges


def test_what_would_run_is_told_and_then_is_nothing(settings: Settings) -> None:
    migrate(settings, PREVIOUS_REVISION)
    shown = segopsctl(settings, "--check")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == [revision for revision, _ in missing(settings)]
    assert shown.returncode == 5
    migrate(settings)
    assert missing(settings) == []


def test_two_who_migrate_at_once_take_turns(settings: Settings, engine: Engine) -> None:
    both = [started(settings) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert missing(settings) == []


def test_a_migration_that_is_killed_leaves_nothing_behind(settings: Settings, engine: Engine) -> None:
    migrate(settings, PREVIOUS_REVISION)
    before = shape(engine)
    with engine.connect() as holder:
        # The end of a migration waits for this row.
        holder.execute(text("SELECT FROM alembic_version FOR UPDATE"))
        process = started(settings)
        wait_for(lambda: waiting(engine))
        process.kill()
        process.wait(30)
    wait_for(lambda: not waiting(engine))
    assert (version(engine), shape(engine)) == (PREVIOUS_REVISION, before)
    migrate(settings)
    assert missing(settings) == []


def test_a_migration_waits_for_locks_without_holding_others_up_for_long(settings: Settings, engine: Engine) -> None:
    migrate(settings, PREVIOUS_REVISION)
    with engine.connect() as holder:
        holder.execute(text("SELECT FROM alembic_version FOR UPDATE"))
        process = started(settings)
        wait_for(lambda: waiting(engine))
        # It gives up, which ends its transaction and all that this holds, and begins again.
        wait_for(lambda: not waiting(engine))
    assert process.wait(60) == 0
    assert missing(settings) == []


def waiting(engine: Engine) -> bool:
    """Whether a migration waits for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with engine.connect() as connection:
        return bool(connection.execute(query).scalar_one())


def started(settings: Settings) -> "subprocess.Popen[bytes]":
    """segopsctl migrate, as containers run it beside each other."""
    variables = environment(settings) | {"SEGOPS_DATABASE_URL": settings.database_url}
    return subprocess.Popen([sys.executable, "-m", "cli", "migrate"], env=variables, stderr=subprocess.DEVNULL)


def segopsctl(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    variables = environment(settings) | {"SEGOPS_DATABASE_URL": settings.database_url}
    command = [sys.executable, "-m", "cli", "migrate", *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

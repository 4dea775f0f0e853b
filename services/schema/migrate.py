"""Brings PostgreSQL to the declared schema."""

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from services.kit.settings import Settings

# Any constant: migrations take turns on it.
ADVISORY_LOCK = 7_382_011
WAIT_SECONDS = 60.0
RETRY_SECONDS = 0.1
LOCK_SECONDS = 3
HEAD = "head"


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for one open connection; without one it only tells which migrations there are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(settings: Settings, revision: str = HEAD) -> None:
    """Runs the missing migrations, up to a revision, in one transaction, one process at a time.

    Waits up to a minute for PostgreSQL, and for locks that others hold; then its OperationalError comes through.
    """
    engine = create_engine(settings.postgres_dsn, connect_args={"connect_timeout": 5})
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
                # Whoever comes after a statement that waits for a lock waits too: it gives up, and all is tried again.
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
                command.upgrade(alembic_config(connection), revision)
            break
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
    engine.dispose()


def missing(settings: Settings) -> list[tuple[str, str]]:
    """The migrations that would run, in order, each with what it is about. Raises OperationalError."""
    engine = create_engine(settings.postgres_dsn, connect_args={"connect_timeout": 5})
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    engine.dispose()
    scripts = ScriptDirectory.from_config(alembic_config())
    pending = scripts.iterate_revisions("heads", current or "base")
    return [(script.revision, script.doc) for script in reversed(list(pending))]

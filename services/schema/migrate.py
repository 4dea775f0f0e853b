"""Brings PostgreSQL to the declared schema."""

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from services.kit.settings import Settings

# Any constant: migrations take turns on it.
ADVISORY_LOCK = 7_382_011
WAIT_SECONDS = 60.0
RETRY_SECONDS = 0.1


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for one open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(settings: Settings) -> None:
    """Runs the missing migrations in one transaction, one process at a time.

    Waits up to a minute for PostgreSQL; then its OperationalError comes through.
    """
    engine = create_engine(settings.postgres_dsn, connect_args={"connect_timeout": 5})
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
                command.upgrade(alembic_config(connection), "head")
            break
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
    engine.dispose()

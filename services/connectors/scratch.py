"""Databases on this machine's disk for what is too much for memory, and of no use afterwards."""

import sqlite3
from pathlib import Path

# Nobody else reads it, and after a failure it is made again.
PRAGMAS = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32768;"


def scratch(path: Path, tables: str) -> sqlite3.Connection:
    """A new database with tables, which any thread may use, one at a time."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.executescript(PRAGMAS + tables)
    return database

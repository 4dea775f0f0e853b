"""Comparing who is in a destination with who should be, on this machine's disk, for any number of users. It blocks."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from services.connectors.destinations.interface import Entry
from services.connectors.scratch import scratch

TABLES = """
CREATE TABLE entries (id INTEGER PRIMARY KEY, handle TEXT, shown TEXT);
CREATE TABLE names (name TEXT, entry_id INTEGER, PRIMARY KEY (name, entry_id)) WITHOUT ROWID;
CREATE TABLE users (name TEXT, user_id TEXT, PRIMARY KEY (name, user_id)) WITHOUT ROWID;
"""
MISSING = "FROM users WHERE NOT EXISTS (SELECT 1 FROM names WHERE names.name = users.name)"
EXTRA = """FROM entries WHERE id NOT IN (SELECT entry_id FROM names WHERE EXISTS (
  SELECT 1 FROM users WHERE users.name = names.name))"""


class Drift:
    """Entries of a destination, and the users who should be in it by the names they have there."""

    def __init__(self, path: Path) -> None:
        self._database = scratch(path, TABLES)

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """Who is there."""
        self._database.execute("BEGIN")
        for entry in entries:
            shown = next(iter(entry.names), entry.handle)
            row = self._database.execute("INSERT INTO entries (handle, shown) VALUES (?, ?)", (entry.handle, shown))
            names = ((name, row.lastrowid) for name in entry.names)
            self._database.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", names)
        self._database.execute("COMMIT")

    def add_users(self, users: Iterable[tuple[str, str]]) -> None:
        """Who should be there: names and user ids."""
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO users VALUES (?, ?)", users)
        self._database.execute("COMMIT")

    def counts(self) -> tuple[int, int, int]:
        """How many users should be there and are, should and are not, and how many entries should not be there."""
        (users,) = self._database.execute("SELECT count(*) FROM users").fetchone()
        (missing,) = self._database.execute(f"SELECT count(*) {MISSING}").fetchone()
        (extra,) = self._database.execute(f"SELECT count(*) {EXTRA}").fetchone()
        return users - missing, missing, extra

    def missing(self) -> Iterator[str]:
        """The ids of users who should be there and are not, in order."""
        return self._texts(f"SELECT user_id {MISSING} ORDER BY user_id")

    def extra(self) -> Iterator[str]:
        """What entries that should not be there are shown as, in order."""
        return self._texts(f"SELECT shown {EXTRA} ORDER BY shown")

    def extra_handles(self) -> Iterator[str]:
        """The handles of entries that should not be there."""
        return self._texts(f"SELECT handle {EXTRA}")

    def _texts(self, statement: str) -> Iterator[str]:
        return (text for (text,) in self._database.execute(statement))


def some(texts: Iterator[str], most: int) -> Sequence[str]:
    """The next texts, up to so many."""
    return list(islice(texts, most))

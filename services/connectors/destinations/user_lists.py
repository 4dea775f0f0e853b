"""Files with user ids: lists of all, read and written in parts, and changes. Everything here blocks."""

import csv
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from pyarrow import parquet

from services.connectors.scratch import scratch
from services.kit.arrow import strings

COLUMN = "user_id"
# Users that lie together in a Parquet file, and in memory.
PART = 32_768
SCHEMA = pa.schema([pa.field(COLUMN, pa.string(), nullable=False)])
TABLES = "CREATE TABLE users (id TEXT PRIMARY KEY) WITHOUT ROWID;"


class NoList(Exception):
    """A file is no list of users in the format that was expected."""


class ListFormat(Protocol):
    """A format of lists."""

    def write(self, path: Path, users: Iterable[str]) -> None:
        """Writes a list."""

    def read(self, path: Path) -> Generator[str]:
        """The users of a list. Raises NoList."""


class Csv:
    """UTF-8 with a header, quoted as in RFC 4180 where needed, lines ending as in Unix."""

    def write(self, path: Path, users: Iterable[str]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([COLUMN])
            writer.writerows([user] for user in users)

    def read(self, path: Path) -> Generator[str]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            try:
                rows = csv.reader(file)
                header = next(rows, [])
                if COLUMN not in header:
                    raise NoList(f"it has no column {COLUMN}")
                at = header.index(COLUMN)
                yield from (row[at] for row in rows if len(row) > at and row[at])
            except (csv.Error, UnicodeError) as error:
                raise NoList("it is no CSV in UTF-8") from error


class Parquet:
    """Parquet compressed with Snappy."""

    def write(self, path: Path, users: Iterable[str]) -> None:
        rest = iter(users)
        # A dictionary would hold each user id once, and be thrown away.
        with parquet.ParquetWriter(path, SCHEMA, compression="snappy", use_dictionary=False) as writer:
            while part := list(islice(rest, PART)):
                writer.write_batch(pa.RecordBatch.from_arrays([strings(part)], schema=SCHEMA))

    def read(self, path: Path) -> Generator[str]:
        try:
            with parquet.ParquetFile(path) as file:
                if COLUMN not in file.schema_arrow.names:
                    raise NoList(f"it has no column {COLUMN}")
                for batch in file.iter_batches(PART, columns=[COLUMN]):
                    yield from filter(None, map(str, batch.column(0).to_pylist()))
        except pa.ArrowInvalid as error:
            raise NoList("it is no Parquet") from error


FORMATS: Mapping[str, ListFormat] = {"csv": Csv(), "parquet": Parquet()}


def write_changes(path: Path, entered: Iterable[str], exited: Iterable[str]) -> None:
    """Writes users who entered and exited: a line for each, `+` or `-` and the user id, which has no line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"+{user}\n" for user in entered)
        file.writelines(f"-{user}\n" for user in exited)


def make_list(file_format: ListFormat, before: Path | None, changes: Sequence[Path], target: Path) -> None:
    """Writes the list before with changes made, one file after the other, in order of the user ids' bytes.

    The set of users is beside the target meanwhile, so that memory does not grow with it. Raises NoList.
    """
    with closing(scratch(target.with_suffix(".users"), TABLES)) as database:
        database.execute("BEGIN")
        if before:
            _add(database, file_format.read(before))
        for path in changes:
            lines = path.read_text(encoding="utf-8").split("\n")
            _add(database, (line[1:] for line in lines if line.startswith("+")))
            exited = ((line[1:],) for line in lines if line.startswith("-"))
            database.executemany("DELETE FROM users WHERE id = ?", exited)
        users = (user for (user,) in database.execute("SELECT id FROM users ORDER BY id"))
        file_format.write(target, users)


def _add(database: sqlite3.Connection, users: Iterable[str]) -> None:
    database.executemany("INSERT OR IGNORE INTO users VALUES (?)", ((user,) for user in users))

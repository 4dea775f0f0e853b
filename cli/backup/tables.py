"""PostgreSQL: every table in one snapshot, as COPY's text, and back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import LiteralString

import psycopg
from psycopg import sql

from cli.backup.parts import PartWriter

# Alembic's own; a restore migrates by itself.
REVISION_TABLE = "alembic_version"

Connection = psycopg.Connection[tuple[object, ...]]

TABLES = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
"""
REFERENCES = """
    SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid <> confrelid
"""
COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"


def begin_snapshot(connection: Connection) -> None:
    """From here on the connection sees the database as it is now."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    connection.execute("SELECT 1")


def revision(connection: Connection) -> str | None:
    """The revision of the schema; None when there is no schema."""
    if connection.execute("SELECT to_regclass(%s)", [REVISION_TABLE]).fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def names(connection: Connection) -> list[str]:
    """All tables with rows of ours, those that others refer to first."""
    tables = [str(row[0]) for row in connection.execute(TABLES) if row[0] != REVISION_TABLE]
    graph: dict[str, set[str]] = {table: set() for table in tables}
    for referring, referred in connection.execute(REFERENCES):
        graph[str(referring)].add(str(referred))
    return list(TopologicalSorter(graph).static_order())


def sequences(connection: Connection) -> dict[str, int]:
    """The last value that each sequence gave out."""
    return {str(name): int(str(value)) for name, value in connection.execute(SEQUENCES)}


def dump(connection: Connection, table: str, part: PartWriter) -> None:
    """Writes the rows of a table."""
    with connection.cursor() as cursor:
        with cursor.copy(_copy(connection, table, "TO STDOUT")) as copy:
            for data in copy:
                part.write(data)
        part.count = cursor.rowcount


def is_empty(connection: Connection) -> bool:
    """Whether nobody has registered."""
    row = connection.execute("SELECT EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM tenants)").fetchone()
    return row == (False,)


def fill(
    connection: Connection, rows: Mapping[str, Callable[[], Iterable[bytes]]], advance: Callable[[str], object]
) -> dict[str, int]:
    """Puts rows in the place of all that the tables hold; how many each has then. Triggers do not fire."""
    tables = names(connection)
    connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, tables))))
    for table in tables:
        _execute(connection, "ALTER TABLE {} DISABLE TRIGGER USER", table)
    counts = {}
    for table in tables:
        with connection.cursor() as cursor, cursor.copy(_copy(connection, table, "FROM STDIN")) as copy:
            for data in rows[table]() if table in rows else ():
                copy.write(data)
        row = _execute(connection, "SELECT count(*) FROM {}", table).fetchone()
        assert row is not None
        counts[table] = int(str(row[0]))
        advance(table)
    for table in tables:
        _execute(connection, "ALTER TABLE {} ENABLE TRIGGER USER", table)
    return counts


def advance_sequences(connection: Connection, last: Mapping[str, int]) -> None:
    """Has sequences go on behind the last values that were given out."""
    for name, value in last.items():
        connection.execute("SELECT setval(%s::regclass, %s)", [f'public."{name}"', value])


def drop_schema(connection: Connection, known: Sequence[str]) -> list[str]:
    """Drops all tables and functions of the schema, to be made anew; or answers tables that are none of ours."""
    if strangers := sorted(set(names(connection)) - set(known)):
        return strangers
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    return []


def _copy(connection: Connection, table: str, direction: LiteralString) -> sql.Composed:
    columns = [str(row[0]) for row in connection.execute(COLUMNS, [f'public."{table}"'])]
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(table), listed, sql.SQL(direction))


def _execute(connection: Connection, statement: LiteralString, table: str) -> "psycopg.Cursor[tuple[object, ...]]":
    return connection.execute(sql.SQL(statement).format(sql.Identifier(table)))

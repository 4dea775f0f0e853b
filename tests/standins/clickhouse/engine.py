"""chDB in the place of the server's engine: each request has a connection of its own, and with it its own settings."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import chdb

from tests.standins.clickhouse.requests import Insert, Request

STREAMED = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
CODE = re.compile(r"Code: (\d+)")


class Refused(Exception):
    """What ClickHouse says of a statement, with its number."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        found = CODE.search(text)
        self.code = int(found[1]) if found else 1002


class Engine:
    """One server."""

    def __init__(self, directory: Path, database: str, options: str = "") -> None:
        self._path = f"{directory / 'engine'}{options}"
        self._files = directory / "files"
        self._files.mkdir(parents=True, exist_ok=True)
        self._database = database
        self._open = self._connect()
        self.command(self._open, f"CREATE DATABASE IF NOT EXISTS `{database}`")

    @contextmanager
    def answering(self, request: Request) -> Iterator[Iterator[bytes]]:
        """The answer to a request, piece by piece. Raises Refused."""
        with closing(self._connect()) as connection:
            self.command(connection, f"USE `{request.database}`")
            for name, value in request.settings.items():
                self.command(connection, f"SET {name} = {quoted(value)}")
            self.prepare(connection)
            yield self._pieces(connection, request)

    def prepare(self, connection: Any) -> None:
        """What a connection needs beside the settings of the request."""

    def statement(self, connection: Any, sql: str) -> str:
        """A statement as chDB can carry it out."""
        return sql

    def insert(self, connection: Any, request: Request, insert: Insert) -> None:
        """Stores the rows of an insert."""
        with self.file(insert.rows) as path:
            target = f"{insert.table} {insert.columns}"
            self.command(connection, f"INSERT INTO {target} FROM INFILE {quoted(path)} FORMAT {insert.format}")

    def command(self, connection: Any, sql: str) -> bytes:
        """Carries out a statement and answers what it yields. Raises Refused."""
        with _told():
            answer: bytes = connection.query(sql, "TabSeparated").bytes()
            return answer

    @contextmanager
    def file(self, rows: bytes) -> Iterator[str]:
        """A file with the rows, as long as the block runs."""
        with tempfile.NamedTemporaryFile(dir=self._files) as file:
            file.write(rows)
            file.flush()
            yield file.name

    def _connect(self) -> Any:
        return chdb.connect(self._path)  # type: ignore[no-untyped-call]

    def _pieces(self, connection: Any, request: Request) -> Iterator[bytes]:
        if request.insert:
            self.insert(connection, request, request.insert)
            return
        sql = self.statement(connection, request.sql)
        parameters = dict(request.parameters)
        with _told():
            if request.waits or not STREAMED.match(sql) or request.format not in ("TabSeparated", "Native"):
                yield connection.query(sql, request.format, params=parameters).bytes()
                return
            for piece in connection.send_query(sql, request.format, params=parameters):
                yield piece.bytes()


def quoted(text: str) -> str:
    """A text literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, chdb.ChdbError) as error:
        raise Refused(str(error)) from error

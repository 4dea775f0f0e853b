"""CSV: a header, then an event a row; a row may span lines within quotes."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.events.lines import MAX_LINE_BYTES, TOO_LONG, Line
from cli.events.mapping import Rule, Table
from cli.events.records import Record, Wrong, utf8
from services.kit.errors import Invalid


@dataclass(frozen=True, kw_only=True)
class Csv:
    """The format of one table, whose header was read."""

    table: Table
    delimiter: str

    def __call__(self, lines: Iterator[Line]) -> Iterator[Record]:
        """The records in some lines; takes no line before it needs it."""
        rows = _Rows(lines)
        reader = csv.reader(rows, delimiter=self.delimiter, strict=True)
        while True:
            rows.begin()
            cells: list[str] = []
            error = ""
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as failure:
                error = f"{failure}.".capitalize()
            if cells or error:
                yield self._record(rows, cells, error)

    def _record(self, rows: "_Rows", cells: Sequence[str], error: str) -> Record:
        text = b"".join(rows.taken)
        try:
            if rows.too_long:
                raise Wrong(TOO_LONG)
            utf8(text)
            if error:
                raise Wrong(error)
            return Record(line=rows.first, text=text, event=self.table.event(cells))
        except Wrong as wrong:
            return Record(line=rows.first, text=text, error=str(wrong))


def read_header(lines: Iterator[Line], rules: Sequence[Rule], delimiter: str) -> Csv:
    """The format of the table that begins with these lines; takes its header from them. Raises Invalid."""
    csv.field_size_limit(MAX_LINE_BYTES)
    rows = _Rows(lines)
    try:
        columns = next(csv.reader(rows, delimiter=delimiter, strict=True), [])
        utf8(b"".join(rows.taken))
        return Csv(table=Table(rules, columns), delimiter=delimiter)
    except (csv.Error, ValueError, Wrong) as error:
        raise Invalid(detail=f"The header of the table does not fit.\n{error}") from error


class _Rows:
    """Lines as the csv module takes them, which asks for no more than the row it reads; keeps those of that row."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.begin()

    def begin(self) -> None:
        """Another row begins."""
        self.taken: list[bytes] = []
        self.first = 0
        self.too_long = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.first = self.first or line.number
        self.taken.append(line.text)
        self.too_long = self.too_long or not line.whole
        return line.text.decode(errors="replace")

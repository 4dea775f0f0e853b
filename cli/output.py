"""What segopsctl prints: a table for people, JSON for scripts."""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Column, Table

# Characters in a line of a table that goes into a file or another program: nothing is cut off.
WHOLE = 1_000


def print_json(value: object) -> None:
    """Prints a value as JSON, for scripts."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show(records: list[Message], columns: list[str], *, as_json: bool, single: bool = False) -> None:
    """Prints records with the named fields; with `single` the JSON is an object and not a list."""
    rows = [_plain(record) for record in records]
    if as_json:
        print_json(rows[0] if single else rows)
        return
    table = Table(Column(columns[0], no_wrap=True), *columns[1:], box=None, header_style="bold")
    for row in rows:
        table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    console().print(table)


def console() -> Console:
    """Standard output; nothing is cut off where it is no terminal."""
    out = Console(soft_wrap=True)
    if not out.is_terminal:
        out.width = WHOLE
    return out


def _plain(record: Message) -> dict[str, Any]:
    """A record's fields. Numbers that may be null come as floats: 200.0 is 200."""
    fields = MessageToDict(record, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in fields.items()
    }

"""What segopsctl prints: a table for people, JSON for scripts."""

import json

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table


def print_json(value: object) -> None:
    """Prints a value as JSON, for scripts."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show(records: list[Message], columns: list[str], *, as_json: bool, single: bool = False) -> None:
    """Prints records with the named fields; with `single` the JSON is an object and not a list."""
    rows = [
        MessageToDict(record, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for record in records
    ]
    if as_json:
        print_json(rows[0] if single else rows)
        return
    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console(soft_wrap=True).print(table)

"""A row of any table, as far as its columns and checks tell what may be in it."""

import itertools
import re
import uuid
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Connection, ForeignKey, Row, Table, insert

_numbers = itertools.count(1)


def sample(table: Table, tenant_id: int) -> dict[str, Any]:
    """Values of the columns that need one. No two rows are alike."""
    needed = [column for column in table.c if not column.nullable and column.server_default is None]
    return {
        column.name: tenant_id if column.name == "tenant_id" else _value(table, column)
        for column in needed
        if column.identity is None
    }


def put(connection: Connection, table: Table, tenant_id: int) -> Row[Any]:
    """Stores such a row, and first the rows of the tenant that it refers to."""
    values = sample(table, tenant_id)
    for name in values.keys() - {"tenant_id"}:
        if keys := table.c[name].foreign_keys:
            # A member is a user too: whoever refers to both refers to one.
            key = max(keys, key=_columns)
            values[name] = put(connection, key.column.table, tenant_id)._mapping[key.column.name]
    return connection.execute(insert(table).values(values).returning(*table.c)).one()


def _columns(key: ForeignKey) -> int:
    return len(key.constraint.elements) if key.constraint else 0


def _value(table: Table, column: "Column[Any]") -> object:
    for check in (constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint)):
        if choice := re.match(rf"{column.name} IN \('(\w+)'", str(check.sqltext)):
            return choice[1]
    number = next(_numbers)
    made: dict[type, object] = {
        int: number,
        bool: False,
        str: f"text-{number}",
        bytes: f"bytes-{number}".encode(),
        object: {},  # JSON
        datetime: datetime.now(UTC),
        date: datetime.now(UTC).date(),
        uuid.UUID: uuid.uuid4(),
    }
    return made[column.type.python_type]

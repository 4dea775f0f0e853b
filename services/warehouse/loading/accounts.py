"""Accounts of a block: the warehouse counts what is stored (`tables.INTAKE_OF_EVENTS`), the rest is counted here.

They are written after the rows; a crash in between leaves the block in doubt, and settling it writes them. What a block
is found to hold does not depend on when it is read, so writing its accounts again replaces them by the same.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import Meta

from services.warehouse.loading.blocks import Block
from services.warehouse.loading.messages import Message

log = logging.getLogger("loader")

# Columns of a row, see services/ingestion/rows.py.
EVENT_TYPE, RECEIVED_AT = 2, 4
HOUR_CHARACTERS = len("2026-04-25 14")
DUPLICATE, SKIPPED = "duplicate", "skipped"
# Half of what the log takes as headers.
MAX_SKIPPED = 32 * 1024


class Account(NamedTuple):
    """What is counted together; `hour` is the begin of the hour of receipt."""

    tenant_id: int
    hour: datetime
    event_type: str
    outcome: str


class _Skipped(msgspec.Struct):
    at: str
    types: dict[str, Annotated[int, Meta(ge=1, lt=2**31)]]


def write(client: Client, block: Block) -> None:
    """Writes how many events of a block are not stored, and why."""
    counts: Counter[Account] = Counter()
    for message in block.messages:
        counts.update(not_stored(message))
    if counts:
        rows = [(*account, block.batch_id, events) for account, events in counts.items()]
        client.insert("intake", rows, column_names=[*Account._fields, "batch_id", "events"])


def not_stored(message: Message) -> Counter[Account]:
    """The events of a message that are repeated, erased, expired, invalid, or cannot be read."""
    counts: Counter[Account] = Counter()
    left_out = ((message.repeated, DUPLICATE), (message.erased, SKIPPED), (message.expired, SKIPPED))
    for rows, outcome in left_out:
        for (event_type, hour), events in _by_type_and_hour(rows).items():
            counts[_account(message, _text(hour), _unescaped(event_type), outcome)] += events
    if message.unreadable:
        counts[_account(message, "", "", SKIPPED)] += message.unreadable
    if message.skipped:
        skipped = _read(message)
        for name, events in skipped.types.items():
            counts[_account(message, skipped.at[:HOUR_CHARACTERS], name, SKIPPED)] += events
    return counts


def skipped_too(message: Message, rows: Iterable[bytes]) -> str:
    """The header of a message that counts rows of it as skipped, beside those it counts already."""
    skipped = _read(message) if message.skipped else _Skipped(message.published_at.strftime("%Y-%m-%d %H:%M:%S"), {})
    types = Counter(skipped.types)
    for row in rows:
        columns = row.split(b"\t", EVENT_TYPE + 1)
        event_type = _unescaped(columns[EVENT_TYPE]) if len(columns) > EVENT_TYPE else ""
        # As services/ingestion/skipped.py does: what finds no room has no type.
        room = event_type in types or len(json.dumps({**types, event_type: 1})) < MAX_SKIPPED
        types[event_type if room else ""] += 1
    return json.dumps({"at": skipped.at, "types": types})


def _by_type_and_hour(rows: Iterable[bytes]) -> Counter[tuple[bytes, bytes]]:
    columns = (row.split(b"\t", RECEIVED_AT + 1) for row in rows)
    return Counter((cells[EVENT_TYPE], cells[RECEIVED_AT][:HOUR_CHARACTERS]) for cells in columns)


def _read(message: Message) -> _Skipped:
    try:
        return msgspec.json.decode(message.skipped, type=_Skipped)
    except msgspec.DecodeError:
        log.exception("skipped events are not counted", extra={"sequence": message.sequence})
        return _Skipped("", {})


def _account(message: Message, hour: str, event_type: str, outcome: str) -> Account:
    """The account in the tenant of the message; its time in the log stands in for an hour that cannot be read."""
    try:
        begin = datetime.fromisoformat(hour).replace(tzinfo=UTC)
    except ValueError:
        begin = message.published_at.replace(minute=0, second=0, microsecond=0)
    return Account(message.tenant_id, begin, event_type, outcome)


def _unescaped(text: bytes) -> str:
    return _text(text).replace("\\\\", "\\")


def _text(cell: bytes) -> str:
    # Rows of erased users are taken out whatever is in them.
    return cell.decode(errors="replace")

"""Events that are older than what is kept: they are not loaded, whenever they come, and are counted as skipped."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.warehouse.loading.messages import Message

# Of a row, see services/ingestion/rows.py.
OCCURRED_AT = 3
TABS = 7


def oldest_kept(retention_days: int | None, now: datetime) -> datetime | None:
    """The instant before which events are not kept, the begin of a day in UTC; None when all are."""
    if retention_days is None:
        return None
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=retention_days)


def drop(messages: Iterable[Message], before: datetime | None) -> list[Message]:
    """The messages without rows that occurred before an instant."""
    if before is None:
        return list(messages)
    text = before.strftime("%Y-%m-%d %H:%M:%S").encode()
    return [_without(message, text) for message in messages]


def _without(message: Message, before: bytes) -> Message:
    cells = message.rows.split(b"\t")
    # The last cell of a row and the first one of the next are one here.
    if len(cells) == TABS * message.count + 1 and min(cells[OCCURRED_AT::TABS], default=before) >= before:
        return message
    kept: list[bytes] = []
    expired: list[bytes] = []
    for row in message.rows.splitlines(keepends=True):
        columns = row.split(b"\t", OCCURRED_AT + 1)
        is_expired = len(columns) > OCCURRED_AT + 1 and columns[OCCURRED_AT] < before
        (expired if is_expired else kept).append(row)
    return replace(message, rows=b"".join(kept), expired=tuple(expired)) if expired else message

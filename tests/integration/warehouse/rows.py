"""Events, and their rows as ingestion writes them to the log."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

RECEIVED_AT = datetime(2026, 4, 25, 14, 32, 1, 500_000, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One accepted event; `payload` is JSON text."""

    user_id: str = "u"
    event_type: str = "page_viewed"
    occurred_at: datetime = RECEIVED_AT
    received_at: datetime = RECEIVED_AT
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)
    payload: str = "{}"


def row(tenant_id: int, event: Event) -> bytes:
    """An event as a line of tab-separated text."""
    columns = (
        str(tenant_id),
        _escaped(event.user_id),
        _escaped(event.event_type),
        _time(event.occurred_at),
        _time(event.received_at),
        str(event.event_id),
        _escaped(event.payload),
        "",  # anonymous_id
    )
    return ("\t".join(columns) + "\n").encode()


def rows(tenant_id: int, *events: Event) -> bytes:
    """The body of one message."""
    return b"".join(row(tenant_id, event) for event in events)


def derived_id(tenant_id: int, message_id: str) -> uuid.UUID:
    """The event id ingestion gives to an event with a message_id: the same for the same one."""
    return uuid.uuid5(uuid.UUID(int=tenant_id), message_id)


def payload(**values: object) -> str:
    """A payload as ingestion stores it."""
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

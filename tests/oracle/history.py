"""The history of a tenant's users as the referee sees it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Event:
    """One stored event; `payload` is decoded JSON."""

    user_id: str
    event_type: str
    occurred_at: datetime
    received_at: datetime
    event_id: UUID
    payload: dict[str, object]


def newest(events: list[Event]) -> Event:
    """The latest event: by occurred_at, then received_at, then by the bits of the id that the warehouse compares."""
    return max(events, key=lambda event: (event.occurred_at, event.received_at, event.event_id.int >> 64 & 0xFFFF_FFFF))

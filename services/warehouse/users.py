"""The questions about single users. A user is a person: whatever was sent under one of their ids is theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from services.warehouse.compiler.literals import text
from services.warehouse.paging import page

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class UserProfile:
    """A user's totals, and the current property set as JSON text."""

    event_count: int
    event_type_count: int
    first_seen: datetime
    last_seen: datetime
    properties: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UserEvent:
    """One event, under the user id it was sent with; `payload` is JSON text."""

    user_id: str
    event_id: str
    event_type: str
    occurred_at: datetime
    received_at: datetime
    payload: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EventFilter:
    """Which events of a user: all types when `event_type` is empty, from `since` up to before `until` where given."""

    event_type: str = ""
    since: datetime | None = None
    until: datetime | None = None


def get_user(client: Client, tenant_id: int, user_ids: Sequence[str]) -> UserProfile | None:
    """The profile of the user with these ids; None for one without events."""
    theirs = _rows_of(user_ids)
    query = f"""
        SELECT count(), uniqExact(event_type), min(occurred_at), max(occurred_at),
          (SELECT argMax(payload, (ver, payload)) FROM user_props FINAL WHERE {theirs})
        FROM events WHERE {theirs}
    """
    events, types, first, last, properties = client.query(query, parameters={"tenant": tenant_id}).result_rows[0]
    if not events:
        return None
    return UserProfile(
        event_count=events,
        event_type_count=types,
        first_seen=first,
        last_seen=last,
        properties=properties or "{}",
    )


def list_user_events(
    client: Client, tenant_id: int, user_ids: Sequence[str], chosen: EventFilter, limit: int, offset: int
) -> tuple[int, list[UserEvent]]:
    """How many events of the user with these ids are chosen, and a page of them.

    Newest first, by (occurred, received, event id).
    """
    conditions = [_rows_of(user_ids)]
    bound: dict[str, object] = {"tenant": tenant_id, "limit": limit, "offset": offset}
    if chosen.event_type:
        conditions.append("event_type = {type:String}")
        bound["type"] = chosen.event_type
    if chosen.since is not None:
        conditions.append("toUnixTimestamp64Milli(occurred_at) >= {since:Int64}")
        bound["since"] = _milliseconds(chosen.since)
    if chosen.until is not None:
        conditions.append("toUnixTimestamp64Milli(occurred_at) < {until:Int64}")
        bound["until"] = _milliseconds(chosen.until)
    # Payloads are read of the page's events alone, however far down it is.
    query = f"""
        SELECT user_id, toString(event_id) AS id, event_type,
          toUnixTimestamp64Milli(occurred_at), toUnixTimestamp64Milli(received_at), payload
        FROM events WHERE {" AND ".join(conditions)}
        ORDER BY occurred_at DESC, received_at DESC, id DESC
        LIMIT {{limit:UInt32}} OFFSET {{offset:UInt64}}
        SETTINGS query_plan_max_limit_for_lazy_materialization = 0
    """
    count, rows = page(client, query, bound)
    return count, [
        UserEvent(
            user_id=user_id,
            event_id=event_id,
            event_type=kind,
            occurred_at=EPOCH + occurred * MILLISECOND,
            received_at=EPOCH + received * MILLISECOND,
            payload=payload,
        )
        for user_id, event_id, kind, occurred, received, payload in rows
    ]


def _rows_of(user_ids: Sequence[str]) -> str:
    """The condition on rows of these users of a tenant. A parameter with many texts would take the engine minutes."""
    return f"tenant_id = {{tenant:UInt32}} AND user_id IN ({', '.join(map(text, user_ids))})"


def _milliseconds(moment: datetime) -> int:
    """The first whole millisecond at or after `moment`: events have no finer times."""
    return -((EPOCH - moment) // MILLISECOND)

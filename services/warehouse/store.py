"""The questions about users and events, each one statement or two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from clickhouse_connect.driver.client import Client

# What a statement's parameters are, by name.
Parameters = Mapping[str, object]

# All users of a tenant whose id contains a text; all of them for an empty one.
MATCHING_USERS = "FROM users WHERE tenant_id = {tenant:UInt32} AND position(user_id, {text:String}) > 0"


@dataclass(frozen=True, kw_only=True, slots=True)
class UserSummary:
    """A user in a list."""

    user_id: str
    event_count: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class UserProfile:
    """A user's totals, and the current property set as JSON text."""

    user_id: str
    event_count: int
    event_type_count: int
    first_seen: datetime
    last_seen: datetime
    properties: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UserEvent:
    """One event; `payload` is JSON text."""

    event_id: UUID
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How a set of users differs from a segment's members, with samples of ids in byte order."""

    entering: int
    leaving: int
    staying: int
    sample_entering_ids: list[str]
    sample_leaving_ids: list[str]


def search_users(client: Client, tenant_id: int, text: str, limit: int, offset: int) -> tuple[int, list[UserSummary]]:
    """How many user ids contain `text`, and a page of them: those that begin with it first, then by id."""
    bound = {"tenant": tenant_id, "text": text, "limit": limit, "offset": offset}
    matching = _rows(client, f"SELECT uniqExact(user_id) {MATCHING_USERS}", bound)[0][0]
    page = _rows(
        client,
        f"""
        SELECT user_id, min(first_seen), max(last_seen) {MATCHING_USERS}
        GROUP BY user_id ORDER BY startsWith(user_id, {{text:String}}) DESC, user_id
        LIMIT {{limit:UInt32}} OFFSET {{offset:UInt64}}
        """,
        bound,
    )
    counts = _event_counts(client, tenant_id, [row[0] for row in page])
    return matching, [
        UserSummary(user_id=user_id, event_count=counts.get(user_id, 0), first_seen=first, last_seen=last)
        for user_id, first, last in page
    ]


def get_user(client: Client, tenant_id: int, user_id: str) -> UserProfile | None:
    """A user's profile; None for a user without events."""
    bound = {"tenant": tenant_id, "user": user_id}
    events, types, first, last = _rows(
        client,
        """
        SELECT count(), uniqExact(event_type), min(occurred_at), max(occurred_at)
        FROM events WHERE tenant_id = {tenant:UInt32} AND user_id = {user:String}
        """,
        bound,
    )[0]
    if not events:
        return None
    properties = _rows(
        client,
        "SELECT payload FROM user_props FINAL WHERE tenant_id = {tenant:UInt32} AND user_id = {user:String}",
        bound,
    )
    return UserProfile(
        user_id=user_id,
        event_count=events,
        event_type_count=types,
        first_seen=first,
        last_seen=last,
        properties=properties[0][0] if properties else "{}",
    )


def list_user_events(
    client: Client, tenant_id: int, user_id: str, chosen: EventFilter, limit: int, offset: int
) -> tuple[int, list[UserEvent]]:
    """How many of a user's events are chosen, and a page of them: newest first by (occurred, received, event id)."""
    conditions = ["tenant_id = {tenant:UInt32}", "user_id = {user:String}"]
    bound: dict[str, object] = {"tenant": tenant_id, "user": user_id, "limit": limit, "offset": offset}
    if chosen.event_type:
        conditions.append("event_type = {type:String}")
        bound["type"] = chosen.event_type
    if chosen.since is not None:
        conditions.append("toUnixTimestamp64Milli(occurred_at) >= {since:Int64}")
        bound["since"] = _milliseconds(chosen.since)
    if chosen.until is not None:
        conditions.append("toUnixTimestamp64Milli(occurred_at) < {until:Int64}")
        bound["until"] = _milliseconds(chosen.until)
    source = f"FROM events WHERE {' AND '.join(conditions)}"
    matching = _rows(client, f"SELECT count() {source}", bound)[0][0]
    page = _rows(
        client,
        f"""
        SELECT event_id, event_type, occurred_at, received_at, payload {source}
        ORDER BY occurred_at DESC, received_at DESC, toString(event_id) DESC
        LIMIT {{limit:UInt32}} OFFSET {{offset:UInt64}}
        """,
        bound,
    )
    return matching, [
        UserEvent(event_id=event_id, event_type=kind, occurred_at=occurred, received_at=received, payload=payload)
        for event_id, kind, occurred, received, payload in page
    ]


def count_and_sample(client: Client, users: str, sample: int, tag: str) -> tuple[int, list[str]]:
    """How many users a compiled statement yields, and the first `sample` ids in byte order. `tag` names the query."""
    query = f"SELECT count(), groupArraySorted({max(sample, 1)})(user_id) /* {tag} */\nFROM (\n{users}\n)"
    matching, ids = _rows(client, query)[0]
    return matching, list(ids[:sample])


def compare(client: Client, users: str, members: str, sample: int, tag: str) -> Difference:
    """Users that one statement yields and those of another, the members; `sample` and `tag` as before."""
    first = f"groupArraySortedIf({max(sample, 1)})"
    query = f"""
        SELECT countIf(side = 1), countIf(side = 2), countIf(side = 3),
          {first}(user_id, side = 1), {first}(user_id, side = 2) /* {tag} */
        FROM (
          SELECT user_id, sum(side) AS side
          FROM (SELECT user_id, 1 AS side FROM (\n{users}\n) UNION ALL SELECT user_id, 2 AS side FROM (\n{members}\n))
          GROUP BY user_id
        )
    """
    entering, leaving, staying, first_entering, first_leaving = _rows(client, query)[0]
    return Difference(
        entering=entering,
        leaving=leaving,
        staying=staying,
        sample_entering_ids=list(first_entering[:sample]),
        sample_leaving_ids=list(first_leaving[:sample]),
    )


def sorted_users(users: str, tag: str) -> str:
    """The statement that yields the ids of a compiled one in byte order. `tag` names the query."""
    return f"SELECT user_id /* {tag} */\nFROM (\n{users}\n)\nORDER BY user_id"


def kill(client: Client, tag: str) -> None:
    """Stops the queries with this tag, if they still run."""
    client.command(
        "KILL QUERY WHERE position(query, {tag:String}) > 0 AND query_id != currentQueryID() ASYNC",
        parameters={"tag": f"/* {tag} */"},
    )


def _event_counts(client: Client, tenant_id: int, user_ids: Sequence[str]) -> dict[str, int]:
    if not user_ids:
        return {}
    query = """
        SELECT user_id, count() FROM events
        WHERE tenant_id = {tenant:UInt32} AND user_id IN {users:Array(String)} GROUP BY user_id
    """
    rows = _rows(client, query, {"tenant": tenant_id, "users": list(user_ids)})
    return {row[0]: row[1] for row in rows}


def _rows(client: Client, query: str, bound: Parameters | None = None) -> Sequence[Sequence[Any]]:
    return client.query(query, parameters=dict(bound) if bound else None).result_rows


def _milliseconds(moment: datetime) -> int:
    """The first whole millisecond at or after `moment`: events have no finer times."""
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return -(-microseconds // 1000)

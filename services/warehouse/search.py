"""Searching a tenant's users by a part of their ids. A user is a person, found by any of their ids, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from clickhouse_connect.driver.client import Client

from services.warehouse.paging import page

# Whom a text matches, and whether at the beginning of an id. FINAL takes less time and memory than DISTINCT, which does
# not make use of the order; PREWHERE leaves out users by their key before that.
USERS = """
SELECT user_id, startsWith(user_id, {text:String}) AS is_prefix
FROM users FINAL PREWHERE tenant_id = {tenant:UInt32} AND position(user_id, {text:String}) > 0
"""
# All users: the key has them in order, and to count them by 64 bits each takes half the time. Among ten million users
# the chance that two have the same bits is 3 in a million.
ALL_USERS = """
SELECT user_id FROM users FINAL PREWHERE tenant_id = {tenant:UInt32} ORDER BY user_id
LIMIT {limit:UInt32} OFFSET {offset:UInt64}
"""
COUNT_OF_ALL = "SELECT uniqExact(cityHash64(user_id)) FROM users PREWHERE tenant_id = {tenant:UInt32}"
# The same of a tenant with links: those who were never linked, and those with an id that matches, whether or not it is
# one of their ids with events.
LINKS = "FROM user_links FINAL WHERE tenant_id = {tenant:UInt32}"
PERSONS = f"""
WITH ids AS (
  SELECT arrayJoin([user_id, person_id]) AS id, person_id {LINKS} AND person_id IN (
    SELECT person_id {LINKS}
      AND (position(user_id, {{text:String}}) > 0 OR position(person_id, {{text:String}}) > 0)))
SELECT user_id, max(starts) AS is_prefix
FROM (
  SELECT user_id, startsWith(user_id, {{text:String}}) AS starts
  FROM users PREWHERE tenant_id = {{tenant:UInt32}} AND position(user_id, {{text:String}}) > 0
  WHERE user_id NOT IN (SELECT user_id {LINKS} AND position(user_id, {{text:String}}) > 0)
  UNION ALL
  SELECT person_id, max(startsWith(id, {{text:String}})) FROM ids GROUP BY person_id
  HAVING max(id IN (SELECT user_id FROM users WHERE tenant_id = {{tenant:UInt32}} AND user_id IN (SELECT id FROM ids)))
)
GROUP BY user_id
"""

TOTALS = "count(), min(occurred_at), max(occurred_at)"
TOTALS_OF_USERS = f"""
SELECT user_id, {TOTALS} FROM events
WHERE tenant_id = {{tenant:UInt32}} AND user_id IN {{users:Array(String)}} GROUP BY user_id
"""
TOTALS_OF_PERSONS = f"""
WITH ids AS (
  SELECT arrayJoin({{users:Array(String)}}) AS user_id, user_id AS person_id
  UNION ALL
  SELECT user_id, person_id {LINKS} AND person_id IN {{users:Array(String)}})
SELECT person_id, {TOTALS}
FROM (
  SELECT user_id, occurred_at FROM events
  WHERE tenant_id = {{tenant:UInt32}} AND user_id IN (SELECT user_id FROM ids)
) AS found
ANY LEFT JOIN ids USING (user_id)
GROUP BY person_id
"""

Totals = Mapping[str, tuple[int, datetime, datetime]]


@dataclass(frozen=True, kw_only=True, slots=True)
class UserSummary:
    """A user in a list."""

    user_id: str
    event_count: int
    first_seen: datetime
    last_seen: datetime


def search_users(
    client: Client, tenant_id: int, text: str, limit: int, offset: int, *, linked: bool
) -> tuple[int, list[UserSummary]]:
    """How many users have an id that contains `text`, and a page of them: those with one that begins with it first.

    Then by id. `linked`: some of the tenant's user ids are linked to others.
    """
    bound = {"tenant": tenant_id, "text": text, "limit": limit, "offset": offset}
    count, user_ids = _matching(client, bound, linked=linked) if text or linked else _all(client, bound)
    totals = _totals(client, tenant_id, user_ids, linked=linked) if user_ids else {}
    return count, [
        UserSummary(user_id=user_id, event_count=events, first_seen=first, last_seen=last)
        for user_id in user_ids
        # An event that comes in now can be seen in one table a moment before it can be seen in the other.
        if user_id in totals
        for events, first, last in [totals[user_id]]
    ]


def _matching(client: Client, bound: Mapping[str, object], *, linked: bool) -> tuple[int, list[str]]:
    query = f"""
        SELECT user_id FROM ({PERSONS if linked else USERS}) ORDER BY is_prefix DESC, user_id
        LIMIT {{limit:UInt32}} OFFSET {{offset:UInt64}}
    """
    count, rows = page(client, query, bound)
    return count, [user_id for (user_id,) in rows]


def _all(client: Client, bound: Mapping[str, object]) -> tuple[int, list[str]]:
    count = client.query(COUNT_OF_ALL, parameters=dict(bound)).result_rows[0][0]
    return count, [user_id for (user_id,) in client.query(ALL_USERS, parameters=dict(bound)).result_rows]


def _totals(client: Client, tenant_id: int, user_ids: Sequence[str], *, linked: bool) -> Totals:
    query = TOTALS_OF_PERSONS if linked else TOTALS_OF_USERS
    rows = client.query(query, parameters={"tenant": tenant_id, "users": list(user_ids)}).result_rows
    return {user_id: (events, first, last) for user_id, events, first, last in rows}

"""Sums over a tenant's events: statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clickhouse_connect.driver.client import Client

from services.warehouse.compiler import literals

# Ids that are linked are the person's at the end of the links.
PERSONS = """
    SELECT uniqExact(if(person_id = '', user_id, person_id)) FROM users
    ANY LEFT JOIN (SELECT user_id, person_id FROM user_links FINAL WHERE tenant_id = {tenant:UInt32}) AS links
      USING (user_id)
    WHERE tenant_id = {tenant:UInt32}
"""
USERS = "SELECT uniqExact(user_id) FROM users WHERE tenant_id = {tenant:UInt32}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """All events, those in each of some windows, and how many persons they are of."""

    events: int
    windows: Sequence[int]
    users: int


def totals(client: Client, tenant_id: int, now: datetime, since: Sequence[datetime], *, linked: bool) -> Totals:
    """Of the tenant, with windows of what occurred after each of `since` up to `now`. `linked`: it has links."""
    bound = {"tenant": tenant_id}
    windows = ", ".join(
        f"countIf(occurred_at > {literals.milliseconds(begin)} AND occurred_at <= {literals.milliseconds(now)})"
        for begin in since
    )
    counts = f"SELECT count(), {windows} FROM events WHERE tenant_id = {{tenant:UInt32}}"
    events, *in_windows = client.query(counts, parameters=bound).result_rows[0]
    users = client.query(PERSONS if linked else USERS, parameters=bound).result_rows[0][0]
    return Totals(events=events, windows=in_windows, users=users)


def stored(client: Client, tenant_id: int, begin: datetime, end: datetime) -> int:
    """Events received from hour `begin` to before hour `end` that are stored, as the accounts of blocks say."""
    query = """
        SELECT sum(events) FROM intake FINAL
        WHERE tenant_id = {tenant:UInt32} AND outcome = 'stored'
          AND toUnixTimestamp(hour) >= {begin:Int64} AND toUnixTimestamp(hour) < {end:Int64}
    """
    bound = {"tenant": tenant_id, "begin": int(begin.timestamp()), "end": int(end.timestamp())}
    return int(client.query(query, parameters=bound).result_rows[0][0])

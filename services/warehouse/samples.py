"""Statements for estimates: how much a query reads, and samples of a tenant's users."""

from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from services.warehouse.compiler import literals


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """Consecutive users from `first` to `last`, and how many rows they have in the table of users."""

    first: str
    last: str
    rows: int


def rows_read(client: Client, sql: str) -> int:
    """How many rows a query reads, known from the primary keys without running it."""
    return sum(row[3] for row in client.query(f"EXPLAIN ESTIMATE\n{sql}").result_rows)


def count(client: Client, sql: str) -> int:
    """How many rows a query yields."""
    return _number(client, f"SELECT count() FROM (\n{sql}\n)")


def count_users(client: Client, sql: str) -> int:
    """How many different users a query yields."""
    return _number(client, f"SELECT uniqExact(user_id) FROM (\n{sql}\n)")


def count_user_rows(client: Client, users: str, tenant_id: int) -> int:
    """How many rows a tenant has in the table of users, where a user may have one in each part."""
    return _number(client, f"SELECT count() FROM {users} WHERE tenant_id = {tenant_id}")


def count_shards(client: Client, cluster: str) -> int:
    """How many shards a cluster has."""
    return _number(client, f"SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster = '{cluster}'")


def count_events(client: Client, tenant_id: int) -> int:
    """How many events a tenant has."""
    return _number(client, f"SELECT count() FROM events WHERE tenant_id = {tenant_id}")


def random_users(client: Client, users: str, tenant_id: int, step: int, seed: int) -> list[str]:
    """A user of every `step` rows of the table of users, by chance and in byte order. Reads no other granules."""
    count = _number(client, f"SELECT count() FROM {users}") // step + 1
    query = f"""
        SELECT DISTINCT user_id FROM {users}
        WHERE tenant_id = {tenant_id} AND _part_starting_offset + _part_offset
          IN (SELECT number * {step} + cityHash64(number, {seed}) % {step} FROM numbers({count}))
        ORDER BY user_id
    """
    return [row[0] for row in client.query(query).result_rows]


def clusters(client: Client, users: str, tenant_id: int, starts: Sequence[str], rows: int) -> list[Cluster]:
    """The users from each start on, up to so many rows of the table of users; reads the granules they are in."""
    if not starts:
        return []
    parts = [
        f"""
        SELECT min(user_id) AS first, max(user_id), count()
        FROM (
          SELECT user_id FROM {users} WHERE tenant_id = {tenant_id} AND user_id >= {literals.text(start)}
          ORDER BY user_id LIMIT {rows}
        )
        """
        for start in starts
    ]
    found = client.query(f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY first").result_rows
    return [Cluster(first=first, last=last, rows=count) for first, last, count in found]


def _number(client: Client, query: str) -> int:
    return int(client.query(query).result_rows[0][0])

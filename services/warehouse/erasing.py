"""Deleting users from the tables of the warehouse."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from clickhouse_connect.driver.client import Client

from services.warehouse.layout import ONE_ENGINE, Layout
from services.warehouse.sharing import Found
from services.warehouse.tables import MIRRORED

# Each with the columns that name users.
TABLES: dict[str, Sequence[str]] = {
    "events": ("user_id",),
    "users": ("user_id",),
    "user_props": ("user_id",),
    "membership_changes": ("user_id",),
    "user_links": ("user_id", "person_id"),
}
# Longer lists of parameters are read ever more slowly.
MOST_USERS = 1_000


def erase(client: Client, tenant_id: int, user_ids: Collection[str], layout: Layout = ONE_ENGINE) -> Found:
    """How many rows users had, none of which can be read any more."""
    found: Found = Counter()
    for some in _in_parts(user_ids):
        for table in TABLES:
            if rows := _count(client, table, tenant_id, some):
                found.update({(table, user_id): number for user_id, number in rows.items()})
                _delete(client, layout, table, tenant_id, some)
        if layout.cluster:
            # Where a mirror is not known to be any more it is caught up again.
            _delete(client, layout, MIRRORED.name, tenant_id, some)
    return found


def _count(client: Client, table: str, tenant_id: int, user_ids: Sequence[str]) -> Counter[str]:
    """How many rows of a table name each user."""
    rows: Counter[str] = Counter()
    for column in TABLES[table]:
        query = f"SELECT {column}, count() FROM {table} WHERE {_where([column])} GROUP BY {column}"
        for user_id, number in client.query(query, parameters=_bound(tenant_id, user_ids)).result_rows:
            rows[user_id] += number
    return rows


def _delete(client: Client, layout: Layout, table: str, tenant_id: int, user_ids: Sequence[str]) -> None:
    columns = TABLES.get(table, ("user_id",))
    statement = f"DELETE FROM {layout.stored(table)}{layout.on_cluster} WHERE {_where(columns)}"
    client.command(statement, parameters=_bound(tenant_id, user_ids))


def _where(columns: Sequence[str]) -> str:
    named = " OR ".join(f"{column} IN {{users:Array(String)}}" for column in columns)
    return f"tenant_id = {{tenant:UInt32}} AND ({named})"


def _bound(tenant_id: int, user_ids: Sequence[str]) -> dict[str, object]:
    return {"tenant": tenant_id, "users": list(user_ids)}


def _in_parts(user_ids: Collection[str]) -> Iterator[Sequence[str]]:
    rest = iter(user_ids)
    while part := list(islice(rest, MOST_USERS)):
        yield part

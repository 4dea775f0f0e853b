"""The statements that make the tables, for one engine and for a cluster from the same tables. Each can be run again."""

from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from services.warehouse.layout import ONE_ENGINE, Layout
from services.warehouse.tables import DERIVED, MIRRORED, PROBE, TABLES, Table

# Blocks whose tokens are known: a retry comes before so many newer ones. On a cluster they have an age as well, beyond
# anything that the event log keeps.
TOKENS, TOKEN_SECONDS = 10_000, 10 * 365 * 24 * 3600
# The servers put in their shard and replica from their macros, and the names.
KEEPER_PATH = "/clickhouse/tables/{shard}/{database}/{table}"


def create(client: Client, layout: Layout = ONE_ENGINE) -> None:
    """Makes every table and view that is not there yet."""
    for statement in statements(layout):
        client.command(statement)


def statements(layout: Layout) -> Sequence[str]:
    """What makes the tables, in order."""
    tables = (*TABLES, MIRRORED) if layout.cluster else TABLES
    probe = f"CREATE TABLE IF NOT EXISTS events_probe{layout.on_cluster} (\n{PROBE}\n) ENGINE = Null"
    return (
        *(_table(table, layout) for table in tables),
        probe,
        *(_view(name, rows, where, layout) for name, rows, where in DERIVED),
        *(_forgetting(table, layout) for table in tables if table.names_users),
        *(_distributed(table, layout) for table in tables if layout.cluster),
    )


def _table(table: Table, layout: Layout) -> str:
    ttl = f"\nTTL {table.ttl}" if table.ttl else ""
    settings = [*table.settings, *(_tokens(layout) if table.tokens or layout.cluster else ())]
    engine = f"{table.engine}({table.arguments})"
    if layout.cluster:
        replica = [f"'{KEEPER_PATH}'", "'{replica}'", *([table.arguments] if table.arguments else [])]
        engine = f"Replicated{table.engine}({', '.join(replica)})"
    return (
        f"CREATE TABLE IF NOT EXISTS {layout.stored(table.name)}{layout.on_cluster} (\n{table.columns}\n"
        f") ENGINE = {engine}\nORDER BY {table.order_by}{ttl}\nSETTINGS {', '.join(settings)}"
    )


def _tokens(layout: Layout) -> Sequence[str]:
    if not layout.cluster:
        return (f"non_replicated_deduplication_window = {TOKENS}",)
    return (
        f"replicated_deduplication_window = {TOKENS}",
        f"replicated_deduplication_window_seconds = {TOKEN_SECONDS}",
    )


def _view(table: str, rows: str, where: str, layout: Layout) -> str:
    """Fills a table from the events of the same shard."""
    select = rows.format(events=layout.stored("events"), where=f"WHERE {where}" if where else "")
    name = f"CREATE MATERIALIZED VIEW IF NOT EXISTS {table}_mv{layout.on_cluster}"
    return f"{name} TO {layout.stored(table)} AS {select}"


def _forgetting(table: Table, layout: Layout) -> str:
    """Deletes of users name them; the engine would keep the last hundred."""
    return f"ALTER TABLE {layout.stored(table.name)}{layout.on_cluster} MODIFY SETTING finished_mutations_to_keep = 1"


def _distributed(table: Table, layout: Layout) -> str:
    stored = layout.stored(table.name)
    engine = f"Distributed('{layout.cluster}', currentDatabase(), '{stored}', {table.shard_by})"
    return f"CREATE TABLE IF NOT EXISTS {table.name}{layout.on_cluster} AS {stored} ENGINE = {engine}"

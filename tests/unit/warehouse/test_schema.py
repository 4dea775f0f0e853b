"""One definition of the tables makes the statements for one engine and for a cluster."""

import re

import chdb
import pytest

from services.warehouse.layout import ONE_ENGINE, Layout
from services.warehouse.schema import statements
from services.warehouse.tables import DERIVED, MIRRORED, TABLES

CLUSTER = Layout(cluster="blue")
SPREAD = (*TABLES, MIRRORED)


def of(kind: str) -> list[str]:
    return [statement for statement in statements(CLUSTER) if kind in statement]


@pytest.mark.parametrize("statement", [*statements(ONE_ENGINE), *statements(CLUSTER)])
def test_the_engine_can_read_each_statement(statement: str) -> None:
    assert "Query" in str(chdb.query(f"EXPLAIN AST {statement}"))  # type: ignore[no-untyped-call]


def test_every_server_of_a_cluster_carries_out_each_statement() -> None:
    assert all(" ON CLUSTER 'blue'" in statement for statement in statements(CLUSTER))
    assert not any("CLUSTER" in statement for statement in statements(ONE_ENGINE))


def test_each_table_of_a_shard_is_replicated_under_a_path_of_its_own() -> None:
    made = of("Replicated")
    names = [re.findall(r"EXISTS (\w+)", statement)[0] for statement in made]
    assert names == [f"{table.name}_shard" for table in SPREAD]
    # Servers put in the name of the table, and of their shard and database.
    path = "MergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
    assert all(path in statement for statement in made)
    assert not any("non_replicated" in statement for statement in statements(CLUSTER))


def test_rows_of_a_user_are_on_one_shard() -> None:
    made = of("Distributed(")
    assert len(made) == len(SPREAD)
    for table, statement in zip(SPREAD, made, strict=True):
        assert (
            f"AS {table.name}_shard ENGINE = Distributed('blue', currentDatabase(), '{table.name}_shard'" in statement
        )
        if " user_id String" in table.columns and table is not MIRRORED:
            assert statement.endswith("cityHash64(tenant_id, user_id))")


def test_views_read_and_write_on_their_own_shard() -> None:
    made = of("MATERIALIZED VIEW")
    assert len(made) == len(DERIVED)
    assert all("FROM events_shard" in view and re.search(r" TO \w+_shard AS", view) for view in made)


def test_both_layouts_have_the_same_columns_order_and_settings() -> None:
    for table in TABLES:
        for layout in (ONE_ENGINE, CLUSTER):
            (made,) = [
                one for one in statements(layout) if f"EXISTS {layout.stored(table.name)}" in one and "ORDER" in one
            ]
            assert table.columns in made
            assert f"ORDER BY {table.order_by}" in made
            assert all(setting in made for setting in table.settings)

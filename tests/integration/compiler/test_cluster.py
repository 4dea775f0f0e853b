"""On a cluster of shards the same users are found, whichever shards they and their links are on.

The shards are chDB's, under its own Distributed tables: see `tests.standins.clickhouse.cluster`.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings

from services.definition import Group
from services.warehouse import schema
from services.warehouse.engine import EVERYWHERE
from services.warehouse.evaluation import Evaluation
from services.warehouse.layout import Layout
from services.warehouse.servers import on_cluster, server_client
from services.warehouse.settings import WarehouseSettings
from tests.integration.compiler.test_against_oracle import GENERATED, Case, cases, check
from tests.integration.compiler.test_explain import check_explained
from tests.integration.compiler.warehouse import Warehouse
from tests.standins.clickhouse.running import ClickHouse

LAYOUT = Layout(cluster="segops")
EXAMPLES = 12


class Sharded(Warehouse):
    """The tables of a cluster of two shards."""

    def __init__(self, server: ClickHouse) -> None:
        own = WarehouseSettings(cluster=LAYOUT.cluster)
        self.client = server_client(server.url, EVERYWHERE | on_cluster(own))
        self._tenants = count(1)
        schema.create(self.client, LAYOUT)

    def users(self, group: Group, tenant_id: int, now: datetime, **keys: Any) -> list[str]:
        """The users who match, as the statement for a cluster yields them."""
        ranges = keys.pop("ranges", ())
        evaluation = Evaluation(tenant_id=tenant_id, group=group, now=now, layout=LAYOUT, **{"runs": {}, **keys})
        return [row[0] for row in self.client.query(evaluation.users(ranges)).result_rows]


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sharded]:
    """A cluster for the tests of this file."""
    server = ClickHouse(tmp_path_factory.mktemp("cluster"), cluster=LAYOUT.cluster)
    yield Sharded(server)
    server.end()


@settings(GENERATED, max_examples=EXAMPLES)
@given(cases())
def test_shards_find_the_users_the_oracle_finds(sharded: Sharded, case: Case) -> None:
    check(sharded, case)


@settings(GENERATED, max_examples=4)
@given(cases())
def test_what_is_explained_of_a_person_does_not_depend_on_shards(sharded: Sharded, case: Case) -> None:
    check_explained(sharded, case)


def test_both_shards_have_users(sharded: Sharded) -> None:
    counts = sharded.client.query("SELECT _shard_num, count() FROM users GROUP BY 1 ORDER BY 1").result_rows
    assert [shard for shard, _ in counts] == [1, 2]

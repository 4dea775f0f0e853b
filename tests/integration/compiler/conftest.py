from collections.abc import Iterator

import pytest

from tests.integration.compiler.sharded import LAYOUT, Sharded
from tests.integration.compiler.warehouse import Warehouse
from tests.standins.clickhouse.running import ClickHouse


@pytest.fixture(scope="package")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One embedded warehouse for this folder: a process can have only one directory open at a time."""
    warehouse = Warehouse(tmp_path_factory.mktemp("warehouse"))
    yield warehouse
    warehouse.client.close()


@pytest.fixture(scope="package")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sharded]:
    """A cluster of two shards, in a process of its own."""
    server = ClickHouse(tmp_path_factory.mktemp("cluster"), cluster=LAYOUT.cluster)
    yield Sharded(server)
    server.end()

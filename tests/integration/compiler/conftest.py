from collections.abc import Iterator

import pytest

from tests.integration.compiler.warehouse import Warehouse


@pytest.fixture(scope="package")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One embedded warehouse for this folder: a process can have only one directory open at a time."""
    warehouse = Warehouse(tmp_path_factory.mktemp("warehouse"))
    yield warehouse
    warehouse.client.close()

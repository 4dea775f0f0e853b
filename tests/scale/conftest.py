"""One platform for all tests of this package: each leaves it whole."""

from collections.abc import Iterator

import pytest

from tests.e2e.account import Account, register
from tests.running import wait_for
from tests.scale.platform import Edge, Replicated, replicated


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """Two of every service, two edges, three servers of the event log, and an external database."""
    with replicated(tmp_path_factory.mktemp("scale") / "data") as platform:
        yield platform


@pytest.fixture
def edges(platform: Replicated) -> list[Edge]:
    """Both, once each sends requests to every replica."""
    found = list(platform.edges.values())
    wait_for(lambda: all(edge.is_ready() and edge.knows_all() for edge in found), 60)
    return found


@pytest.fixture
def owner(edges: list[Edge]) -> Iterator[Account]:
    """The owner of a fresh tenant."""
    with register(edges[0].url) as account:
        yield account

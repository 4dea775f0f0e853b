"""The shared warehouse as a caller, and processes of a test's own."""

import multiprocessing
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from services.kit.eventlog import EventLog
from services.kit.settings import Settings
from tests.integration.warehouse.processes import Processes, Warehouse

# Apart from the tenants that other tests make.
_tenants = count(1_700_000_000)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes that end with the test."""
    running = Processes(tmp_path / "data")
    yield running
    running.close()


@pytest.fixture
async def warehouse(settings: Settings) -> AsyncIterator[Warehouse]:
    """The warehouse and event log that all tests of a run share."""
    shared = Warehouse(settings, await EventLog.connect(settings))
    yield shared
    await shared.close()


@pytest.fixture
def tenant() -> int:
    """A tenant without events."""
    return next(_tenants)


@pytest.fixture
def other_tenant() -> int:
    """Another tenant without events."""
    return next(_tenants)


@pytest.fixture(scope="module")
def other_process() -> Iterator[ProcessPoolExecutor]:
    """A process of its own: a process can have one embedded warehouse open at a time."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        yield process

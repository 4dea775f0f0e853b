"""What an export does when something else happens in its middle, or its storage fails."""

import asyncio
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from sqlalchemy import text

from services.kit.directory import Directory, LocalDraft
from services.kit.errors import NotFound
from services.kit.objects import Objects, StorageAway
from services.kit.postgres import Database
from services.segments.export_sweeping import ExportSweeper
from services.segments.exporter import INTERRUPTED, MOST_RETRIES, Exporter
from tests.integration.segments.calling import Tenant
from tests.integration.segments.exports import computed, files, fill_many, look, recorded

SOME = 2_500
MIB = 1024 * 1024
NOWHERE = "file:///dev/null/exports"


class HeldFile:
    """A file in which all that follows the first write waits."""

    def __init__(self, file: BinaryIO) -> None:
        self.is_waiting, self.goes_on = threading.Event(), threading.Event()
        self._file = file
        self._written = False

    def write(self, data: bytes) -> int:
        if self._written:
            self.is_waiting.set()
            self.goes_on.wait()
        self._written = True
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class SlowDirectory(Directory):
    """A directory whose disk takes its time."""

    file: HeldFile

    def create(self, key: str) -> LocalDraft:
        draft = super().create(key)
        self.file = HeldFile(draft.file)
        draft.file = cast(BinaryIO, self.file)
        return draft


def exporter(database: Database, objects: Objects) -> Exporter:
    return Exporter(database, objects, keep=timedelta(hours=1))


@asynccontextmanager
async def half_written(database: Database, tenant: Tenant, export_id: int, path: Path) -> AsyncIterator[None]:
    """Within the block the export has read its first members, and goes on after it; at the end it is done."""
    directory = SlowDirectory(path)
    running = asyncio.create_task(exporter(database, Objects(directory)).run(tenant.id, export_id, retries=0))
    while not hasattr(directory, "file") or not directory.file.is_waiting.is_set():
        assert not running.done()
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        directory.file.goes_on.set()
        await running


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """This process cannot write beyond `size` bytes of any file within the block, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_file_has_the_members_of_one_moment(tenant: Tenant, database: Database, tmp_path: Path) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, SOME)
    export_id = await recorded(database, tenant, segment.id)
    async with half_written(database, tenant, export_id, tmp_path):
        assert (await tenant.compute(segment.id)).member_count == 0
        assert (await tenant.members(segment.id)).results == []
    done = await look(tenant, segment.id, export_id)
    assert (done.status, done.row_count.number_value) == ("complete", SOME)
    at = segment.last_computed_at.string_value
    [file] = files(tmp_path, tenant)
    lines = file.read_text().splitlines()
    assert lines[1::SOME] == [f"00000001{'x' * 16},{at}"]
    assert len(lines) == SOME + 1


async def test_a_sweep_leaves_a_running_export_alone(tenant: Tenant, database: Database, tmp_path: Path) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, SOME)
    export_id = await recorded(database, tenant, segment.id)
    async with half_written(database, tenant, export_id, tmp_path):
        await ExportSweeper(database, Objects.at(tmp_path.as_uri())).sweep()
        assert (await look(tenant, segment.id, export_id)).status == "running"
    assert (await look(tenant, segment.id, export_id)).status == "complete"
    assert [file.suffix for file in files(tmp_path, tenant)] == [".csv"]


async def test_a_segment_that_is_deleted_meanwhile_leaves_no_file(
    tenant: Tenant, database: Database, tmp_path: Path
) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, SOME)
    export_id = await recorded(database, tenant, segment.id)
    sweeper = ExportSweeper(database, Objects.at(tmp_path.as_uri()))
    async with half_written(database, tenant, export_id, tmp_path):
        await tenant.delete(segment.id)
    await sweeper.sweep()
    assert files(tmp_path, tenant) == []
    with pytest.raises(NotFound):
        await look(tenant, segment.id, export_id)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
async def test_a_full_disk_fails_an_export_at_once_and_leaves_nothing(
    tenant: Tenant, database: Database, tmp_path: Path, file_format: str
) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, 100_000, width=256)
    export_id = await recorded(database, tenant, segment.id, file_format)
    with largest_file(MIB):
        await exporter(database, Objects.at(tmp_path.as_uri())).run(tenant.id, export_id, retries=0)
    export = await look(tenant, segment.id, export_id)
    assert (export.status, export.error.string_value) == ("failed", "The file storage is full; try again later.")
    assert files(tmp_path, tenant) == []


async def test_storage_that_is_away_is_tried_again_and_then_given_up(tenant: Tenant, database: Database) -> None:
    segment = await computed(tenant)
    export_id = await recorded(database, tenant, segment.id)
    away = exporter(database, Objects.at(NOWHERE))
    with pytest.raises(StorageAway):
        await away.run(tenant.id, export_id, retries=0)
    assert (await look(tenant, segment.id, export_id)).status == "running"
    await away.run(tenant.id, export_id, retries=MOST_RETRIES)
    export = await look(tenant, segment.id, export_id)
    assert (export.status, export.error.string_value) == ("failed", StorageAway().detail)


async def test_an_export_that_kills_its_process_is_given_up(tenant: Tenant, database: Database) -> None:
    segment = await computed(tenant)
    export_id = await recorded(database, tenant, segment.id)
    await exporter(database, Objects.at(NOWHERE)).run(tenant.id, export_id, retries=MOST_RETRIES + 1)
    export = await look(tenant, segment.id, export_id)
    assert (export.status, export.error.string_value) == ("failed", INTERRUPTED)


async def test_a_job_that_runs_twice_at_once_writes_once(tenant: Tenant, database: Database, tmp_path: Path) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, SOME)
    export_id = await recorded(database, tenant, segment.id)
    second = exporter(database, Objects.at(NOWHERE)).run(tenant.id, export_id, retries=MOST_RETRIES)
    async with half_written(database, tenant, export_id, tmp_path):
        waiting = asyncio.create_task(second)
        async with database.system() as connection:
            while not await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                assert not waiting.done()
                await asyncio.sleep(0.01)
    await waiting
    export = await look(tenant, segment.id, export_id)
    assert (export.status, export.error.WhichOneof("kind")) == ("complete", "null_value")

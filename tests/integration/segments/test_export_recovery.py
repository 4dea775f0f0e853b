"""Exports whose process dies, whose storage goes away for a while, or which are large."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import NotFound
from services.kit.objects import Objects
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.segments.export_sweeping import ExportSweeper
from tests.integration.segments.calling import Tenant, until
from tests.integration.segments.exports import (
    begin,
    computed,
    download,
    expire,
    exported,
    files,
    fill_many,
    look,
    settled,
)
from tests.integration.segments.process import SegmentsProcess
from tests.s3 import CREDENTIALS, Bucket, running_bucket

# "Soon": a heartbeat goes missing, the next look notices, the next poll takes the job.
SOON_SECONDS = 15.0
MANY = 100_000
A_MILLION = 1_000_000
MIB = 1024 * 1024


@pytest.fixture
def directory(settings: Settings) -> Path:
    """Where the running service keeps its files."""
    return settings.home / "exports"


async def test_a_killed_processs_export_is_written_once_by_the_next(
    tenant: Tenant, database: Database, directory: Path, process: SegmentsProcess
) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, MANY)
    async with database.tenant(tenant.id) as connection:
        # The export has begun its file and waits for the members.
        await connection.execute(text("LOCK TABLE memberships IN ACCESS EXCLUSIVE MODE"))
        export = await begin(tenant, segment.id)
        await until(partial(has_begun, directory, tenant))
        process.kill()
    said = len(process.said())
    process.start()
    assert (await look(tenant, segment.id, export.id)).status == "running"
    with pytest.raises(NotFound):
        await download(tenant, export.id)
    done = await settled(tenant, segment.id, export.id, SOON_SECONDS)
    assert (done.status, done.row_count.number_value) == ("complete", MANY)
    assert (await download(tenant, export.id)).count(b"\n") == MANY + 1
    assert len([line for line in process.said()[said:].splitlines() if json.loads(line)["message"] == "exported"]) == 1
    assert len(files(directory, tenant)) == 2
    await ExportSweeper(database, Objects.at(directory.as_uri())).sweep()
    assert [file.suffix for file in files(directory, tenant)] == [".csv"]


async def test_a_caller_who_leaves_ends_the_reading(
    tenant: Tenant, database: Database, directory: Path, process: SegmentsProcess
) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, MANY, width=256)
    export = await exported(tenant, segment.id)

    async def nothing_is_open() -> bool:
        return not any(str(directory) in file.path for file in psutil.Process(process.pid).open_files())

    # More callers than the service has threads for files.
    for _ in range(12):
        async with aclosing(tenant.stream("DownloadExport", pb.DownloadExportRequest(id=export.id))) as parts:
            await anext(parts)
    await until(nothing_is_open, 5)


async def test_a_million_members_take_little_memory(
    tenant: Tenant, database: Database, process: SegmentsProcess
) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, A_MILLION)
    before = peak_mib(process)
    for file_format in ("csv", "parquet"):
        export = await exported(tenant, segment.id, file_format)
        assert (export.status, export.row_count.number_value) == ("complete", A_MILLION)
        async with aclosing(tenant.stream("DownloadExport", pb.DownloadExportRequest(id=export.id))) as parts:
            assert sum([len(part.data) async for part in parts]) > MIB
    assert peak_mib(process) < 300
    assert peak_mib(process) - before < 100


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with running_bucket() as bucket:
        yield bucket


@pytest.fixture
async def on_bucket(settings: Settings, process: SegmentsProcess, bucket: Bucket) -> AsyncIterator[SegmentsProcess]:
    """The segments process, with its exports in the bucket."""
    process.stop()
    on_bucket = SegmentsProcess(settings, SEGOPS_EXPORTS_URL=bucket.url, **CREDENTIALS)
    try:
        on_bucket.start()
        yield on_bucket
        on_bucket.stop()
    finally:
        process.start()


async def test_a_bucket_keeps_exports_as_a_directory_does(
    tenant: Tenant, database: Database, bucket: Bucket, on_bucket: SegmentsProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, MANY, width=100)
    goes = await exported(tenant, segment.id, "parquet")
    bucket.stop()
    waits = await begin(tenant, segment.id)

    async def runs() -> bool:
        return (await look(tenant, segment.id, waits.id)).status == "running"

    await until(runs)
    bucket.start()
    # What was in the bucket went with the server, which keeps it in memory.
    with pytest.raises(NotFound):
        await download(tenant, goes.id)
    done = await settled(tenant, segment.id, waits.id)
    assert (done.status, done.row_count.number_value) == ("complete", MANY)
    content = await download(tenant, waits.id)
    assert (content.count(b"\n"), len(content)) == (MANY + 1, 20 + MANY * 122)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    objects = Objects.at(bucket.url)
    assert [key.startswith(f"{tenant.id}-{waits.id}-") for key in await objects.keys()] == [True]
    await expire(database, tenant, waits.id)
    await ExportSweeper(database, objects).sweep()
    assert await objects.keys() == []
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in on_bucket.said()


async def has_begun(directory: Path, tenant: Tenant) -> bool:
    """Whether there is a file of the tenant, or a draft of one."""
    return bool(files(directory, tenant))


def peak_mib(process: SegmentsProcess) -> int:
    """The most memory the process ever held."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024

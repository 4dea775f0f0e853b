"""Exports on the running service: what is in the files, who may see them, and how long."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyarrow import parquet

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.errors import Invalid, NotFound
from services.kit.objects import Objects
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.segments.export_sweeping import ExportSweeper
from tests.integration.segments.calling import Tenant
from tests.integration.segments.exports import (
    begin,
    computed,
    download,
    expire,
    exported,
    files,
    fill,
    fill_many,
    look,
    settled,
)

ODD = ["a,b", 'say "hi"', " padded ", "Größe", "日本🎌", "'; DROP TABLE x; --", "\\N", "\\.", "plain", "x" * 256]


@pytest.fixture
def directory(settings: Settings) -> Path:
    """Where the running service keeps its files."""
    return settings.home / "exports"


@pytest.fixture
def sweeper(database: Database, directory: Path) -> ExportSweeper:
    return ExportSweeper(database, Objects.at(directory.as_uri()))


def in_order(user_ids: list[str]) -> list[str]:
    return sorted(user_ids, key=str.encode)


async def test_a_csv_has_every_member_once_in_order(tenant: Tenant, database: Database) -> None:
    segment = await computed(tenant)
    await fill(database, tenant, segment.id, ODD)
    export = await exported(tenant, segment.id)
    assert (export.status, export.row_count.number_value) == ("complete", len(ODD))
    at = segment.last_computed_at.string_value
    rows = list(csv.reader(io.StringIO((await download(tenant, export.id)).decode(), newline="")))
    assert rows == [["user_id", "computed_at"], *([user_id, at] for user_id in in_order(ODD))]


async def test_a_parquet_file_has_every_member_once_in_order(tenant: Tenant, database: Database) -> None:
    segment = await computed(tenant)
    await fill(database, tenant, segment.id, ODD)
    export = await exported(tenant, segment.id, "parquet")
    assert (export.status, export.row_count.number_value) == ("complete", len(ODD))
    table = parquet.read_table(io.BytesIO(await download(tenant, export.id)))
    at = datetime.fromisoformat(segment.last_computed_at.string_value)
    assert table.to_pylist() == [{"user_id": user_id, "computed_at": at} for user_id in in_order(ODD)]


async def test_an_empty_segment_is_exported_too(tenant: Tenant) -> None:
    segment = await computed(tenant)
    export = await exported(tenant, segment.id)
    assert (export.status, export.row_count.WhichOneof("kind")) == ("complete", "number_value")
    assert await download(tenant, export.id) == b"user_id,computed_at\n"


async def test_an_export_is_kept_for_a_day(tenant: Tenant, directory: Path) -> None:
    segment = await computed(tenant)
    waiting = await begin(tenant, segment.id)
    assert (waiting.export_id, waiting.status, waiting.format) == (waiting.id, "pending", "csv")
    for field in ("download_url", "row_count", "expires_at", "error"):
        assert getattr(waiting, field).WhichOneof("kind") == "null_value"
    export = await settled(tenant, segment.id, waiting.id)
    kept = datetime.fromisoformat(export.expires_at.string_value) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < kept <= timedelta(hours=24)
    assert [file.suffix for file in files(directory, tenant)] == [".csv"]


@pytest.mark.parametrize(("file_format", "message"), [("", "required"), ("xml", "'xml' is not one of csv, parquet")])
async def test_a_wrong_format_is_a_field_error(tenant: Tenant, file_format: str, message: str) -> None:
    segment = await computed(tenant)
    with pytest.raises(Invalid) as raised:
        await begin(tenant, segment.id, file_format)
    assert message in raised.value.fields["format"][0]


async def test_a_segment_never_computed_cannot_be_exported(tenant: Tenant) -> None:
    segment = await tenant.create()
    with pytest.raises(Invalid) as raised:
        await begin(tenant, segment.id)
    assert raised.value.detail == "The segment has not been computed yet."


async def test_an_export_is_found_under_its_own_segment_and_tenant_only(
    tenant: Tenant, new_tenant: Callable[[], Tenant]
) -> None:
    segment, other, stranger = await computed(tenant), await computed(tenant), new_tenant()
    export = await exported(tenant, segment.id)
    for attempt in (
        begin(tenant, 2**31 - 1),
        begin(stranger, segment.id),
        look(tenant, segment.id, 2**31 - 1),
        look(tenant, other.id, export.id),
        look(stranger, segment.id, export.id),
        download(tenant, 2**31 - 1),
        download(stranger, export.id),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_looking_for_no_export_is_a_field_error(tenant: Tenant) -> None:
    segment = await computed(tenant)
    with pytest.raises(Invalid) as raised:
        await tenant.call("GetExport", pb.GetExportRequest(id=segment.id))
    assert raised.value.fields == {"export_id": ["This field is required."]}


async def test_several_exports_run_at_once(tenant: Tenant, database: Database) -> None:
    segment = await computed(tenant)
    await fill_many(database, tenant, segment.id, 20_000)
    waiting = [await begin(tenant, segment.id, file_format) for file_format in ("csv", "parquet") * 3]
    done = [await settled(tenant, segment.id, export.id) for export in waiting]
    assert {(export.status, export.row_count.number_value) for export in done} == {("complete", 20_000)}
    files = [await download(tenant, export.id) for export in done]
    assert files[0] == files[2] == files[4]
    assert files[1] == files[3] == files[5]


async def test_an_expired_export_has_no_file(
    tenant: Tenant, database: Database, directory: Path, sweeper: ExportSweeper
) -> None:
    segment = await computed(tenant)
    stays, goes = await exported(tenant, segment.id), await exported(tenant, segment.id, "parquet")
    await expire(database, tenant, goes.id)
    for _ in range(2):  # before it is swept and after
        shown = await look(tenant, segment.id, goes.id)
        assert (shown.status, shown.download_url.WhichOneof("kind")) == ("expired", "null_value")
        with pytest.raises(NotFound):
            await download(tenant, goes.id)
        await sweeper.sweep()
    assert [file.suffix for file in files(directory, tenant)] == [".csv"]
    assert await download(tenant, stays.id)


async def test_the_files_of_a_deleted_segment_go_and_those_of_others_stay(
    tenant: Tenant, directory: Path, sweeper: ExportSweeper
) -> None:
    segment, other = await computed(tenant), await computed(tenant)
    gone, kept = await exported(tenant, segment.id), await exported(tenant, other.id)
    foreign = directory / "notes.csv"
    foreign.write_text("not ours")
    await tenant.delete(segment.id)
    with pytest.raises(NotFound):
        await download(tenant, gone.id)
    await sweeper.sweep()
    assert len(files(directory, tenant)) == 1
    assert foreign.exists()
    assert await download(tenant, kept.id)

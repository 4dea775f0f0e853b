"""Asking for exports and reading their files."""

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from sqlalchemy import text

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.postgres import Database
from services.segments import export_store
from tests.integration.segments.calling import WAIT_SECONDS, Tenant, at_least, until

UNFINISHED = ("pending", "running")


async def computed(tenant: Tenant, name: str = "segment") -> pb.Segment:
    """A segment that was computed, with nobody in it."""
    segment = await tenant.create(name, definition=at_least("never seen"))
    return await tenant.compute(segment.id)


async def fill(database: Database, tenant: Tenant, segment_id: int, user_ids: Sequence[str]) -> None:
    """Makes users members."""
    statement = text("""
        INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
        SELECT :tenant_id, unnest(cast(:user_ids AS text[])), :segment_id, now()""")
    async with database.tenant(tenant.id) as connection:
        values = {"tenant_id": tenant.id, "segment_id": segment_id, "user_ids": list(user_ids)}
        await connection.execute(statement, values)


async def fill_many(database: Database, tenant: Tenant, segment_id: int, count: int, *, width: int = 24) -> None:
    """Makes many users members, with ids of so many characters."""
    statement = text("""
        INSERT INTO memberships (tenant_id, user_id, segment_id, entered_at)
        SELECT :tenant_id, rpad(lpad(number::text, 8, '0'), :width, 'x'), :segment_id, now()
        FROM generate_series(1, :count) number""")
    async with database.tenant(tenant.id) as connection:
        values = {"tenant_id": tenant.id, "segment_id": segment_id, "count": count, "width": width}
        await connection.execute(statement, values)


async def begin(tenant: Tenant, segment_id: int, file_format: str = "csv") -> pb.Export:
    """A new export."""
    request = pb.CreateExportRequest(id=segment_id, format=file_format)
    export: pb.Export = await tenant.call("CreateExport", request)
    return export


async def look(tenant: Tenant, segment_id: int, export_id: int) -> pb.Export:
    """An export as it is now."""
    export: pb.Export = await tenant.call("GetExport", pb.GetExportRequest(id=segment_id, export_id=export_id))
    return export


async def settled(tenant: Tenant, segment_id: int, export_id: int, seconds: float = WAIT_SECONDS) -> pb.Export:
    """The export once it is done."""

    async def done() -> pb.Export | None:
        export = await look(tenant, segment_id, export_id)
        return None if export.status in UNFINISHED else export

    return await until(done, seconds)


async def exported(tenant: Tenant, segment_id: int, file_format: str = "csv") -> pb.Export:
    """A new export, done."""
    return await settled(tenant, segment_id, (await begin(tenant, segment_id, file_format)).id)


async def download(tenant: Tenant, export_id: int) -> bytes:
    """The file of an export."""
    async with aclosing(tenant.stream("DownloadExport", pb.DownloadExportRequest(id=export_id))) as parts:
        return b"".join([part.data async for part in parts])


async def expire(database: Database, tenant: Tenant, export_id: int) -> None:
    """Lets the time of an export be over."""
    async with database.tenant(tenant.id) as connection:
        await connection.execute(text("UPDATE exports SET expires_at = now() WHERE id = :id"), {"id": export_id})


def files(directory: Path, tenant: Tenant) -> list[Path]:
    """The tenant's files, and what there is of drafts."""
    return list(directory.glob(f"{tenant.id}-*"))


async def recorded(database: Database, tenant: Tenant, segment_id: int, file_format: str = "csv") -> int:
    """An export that waits without a job; its id."""
    async with database.tenant(tenant.id) as connection:
        return await export_store.add_export(connection, tenant.id, segment_id, file_format)

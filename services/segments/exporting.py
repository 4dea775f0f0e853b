"""Exports of a segment's members: asking for one, looking at it, reading its file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.definition.attributes import REQUIRED
from services.kit.errors import Invalid, NotFound
from services.kit.objects import Objects, Reading
from services.kit.postgres import Database
from services.kit.urls import Url
from services.segments import export_store, store
from services.segments.export_files import FILES
from services.segments.fields import raise_wrong


class NeverComputed(Invalid):
    """The segment has not been computed yet."""

    def __init__(self) -> None:
        super().__init__(detail=type(self).__doc__ or "")


class Queue(Protocol):
    """Where exports wait for a worker."""

    async def put(self, connection: AsyncConnection, tenant_id: int, export_id: int) -> None:
        """Queues an export in the connection's transaction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """An export at a moment. `status` is pending, running, complete, failed or expired."""

    id: int
    segment_id: int
    segment_name: str
    format: str
    status: str
    object_key: str | None
    row_count: int | None
    expires_at: datetime | None
    error: str | None


class Exports:
    """The exports of all tenants, each of which sees its own."""

    def __init__(self, database: Database, objects: Objects, queue: Queue) -> None:
        self._database = database
        self._objects = objects
        self._queue = queue

    async def request(self, tenant_id: int, segment_id: int, file_format: str) -> Export:
        """A new export, which waits. Raises NotFound, NeverComputed, or Invalid on `format`."""
        raise_wrong(format=format_errors(file_format))
        async with self._database.tenant(tenant_id) as connection:
            if not await store.keep_segment(connection, segment_id):
                raise NotFound
            segment = await store.find_segment(connection, segment_id)
            if segment is None or segment.last_computed_at is None:
                raise NeverComputed
            export_id = await export_store.add_export(connection, tenant_id, segment_id, file_format)
            await self._queue.put(connection, tenant_id, export_id)
            return await _find(connection, export_id)

    async def find(self, tenant_id: int, segment_id: int, export_id: int) -> Export:
        """An export of this segment. Raises NotFound, or Invalid on `export_id`."""
        raise_wrong(export_id=[] if export_id else [REQUIRED])
        async with self._database.tenant(tenant_id) as connection:
            export = await _find(connection, export_id)
        if export.segment_id != segment_id:
            raise NotFound
        return export

    @asynccontextmanager
    async def reading(self, tenant_id: int, export_id: int) -> AsyncIterator[tuple[Export, Reading]]:
        """A complete export and its open file. Raises NotFound before it is complete and after its time."""
        async with self._database.tenant(tenant_id) as connection:
            export = await _find(connection, export_id)
        if export.status != "complete" or export.object_key is None:
            raise NotFound
        async with self._objects.reading(export.object_key) as reading:
            yield export, reading


def format_errors(file_format: str) -> list[str]:
    """What is wrong with the name of a file format."""
    if not file_format:
        return [REQUIRED]
    return [] if file_format in FILES else [f"{file_format[:40]!r} is not one of {', '.join(FILES)}"]


def status_at(status: str, expires_at: datetime | None, now: datetime) -> str:
    """The status of an export: its time may be over before that is recorded."""
    return "expired" if status == "complete" and expires_at is not None and expires_at <= now else status


def download_url(export: Export, request_url: str) -> str | None:
    """Where the file is, on the host that a request went to; None while there is none, or for a request of no URL."""
    if export.status != "complete" or not request_url:
        return None
    return f"{Url.of(request_url).origin}/api/segments/exports/{export.id}/download/"


def content_disposition(export: Export) -> str:
    """The name to save the file under: one in ASCII, and for clients that know RFC 5987 one with the segment's name."""
    plain = f"segment-{export.segment_id}-export-{export.id}.{export.format}"
    # A browser takes a slash for a directory.
    name = export.segment_name.replace("/", "_").replace("\\", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(f'{name} {export.id}.{export.format}', safe='')}"


async def _find(connection: AsyncConnection, export_id: int) -> Export:
    row: Row[Any] | None = await export_store.find_export(connection, export_id)
    if row is None:
        raise NotFound
    return Export(
        id=row.id,
        segment_id=row.segment_id,
        segment_name=row.segment_name,
        format=row.format,
        status=status_at(row.status, row.expires_at, datetime.now(UTC)),
        object_key=row.object_key,
        row_count=row.row_count,
        expires_at=row.expires_at,
        error=row.error,
    )

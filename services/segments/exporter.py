"""Writing an export: the members of one moment stream from PostgreSQL into a file."""

import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Unavailable
from services.kit.objects import Objects, StorageFull
from services.kit.postgres import Database
from services.segments import export_store, store
from services.segments.export_files import FILES

log = logging.getLogger("export")

# Storage that restarts is back within seconds; the waits between the tries add up to a quarter of a minute.
MOST_RETRIES = 5
# Members read at a time. Other calls wait for as long as that takes: some milliseconds.
CHUNK = 1_000

INTERRUPTED = "The export was interrupted too often; try again later."
UNEXPECTED = "The export failed unexpectedly; try again later."


class Exporter:
    """Writes exports, which are kept for `keep` from then on."""

    def __init__(self, database: Database, objects: Objects, *, keep: timedelta) -> None:
        self._database = database
        self._objects = objects
        self._keep = keep

    async def run(self, tenant_id: int, export_id: int, *, retries: int) -> None:
        """Writes an export, or records why it cannot be.

        Raises Unavailable when another try makes sense; `retries` counts those that were made before this one.
        """
        try:
            if retries > MOST_RETRIES:
                await self._change(tenant_id, export_id, status="failed", error=INTERRUPTED)
                return
            await self._change(tenant_id, export_id, status="running")
            await self._export(tenant_id, export_id)
        except Unavailable as failure:
            if retries < MOST_RETRIES and not isinstance(failure, StorageFull):
                raise
            await self._change(tenant_id, export_id, status="failed", error=failure.detail)
        except Exception:
            log.exception("an export failed", extra={"tenant_id": tenant_id, "export_id": export_id})
            await self._change(tenant_id, export_id, status="failed", error=UNEXPECTED)

    async def _change(self, tenant_id: int, export_id: int, **columns: object) -> None:
        async with self._database.tenant(tenant_id) as connection:
            await export_store.change_export(connection, export_id, columns)

    async def _export(self, tenant_id: int, export_id: int) -> None:
        began = datetime.now(UTC)
        async with self._database.tenant(tenant_id) as connection:
            await export_store.take_export_turn(connection, export_id)
            export = await export_store.find_export(connection, export_id)
            # A job may run twice, or its segment be deleted.
            if export is None or export.status != "running":
                return
            # Each try has a name of its own: one that lost its connection may still be cleaning up after itself.
            key = f"{tenant_id}-{export_id}-{secrets.token_hex(8)}.{export.format}"
            row_count = await self._write(connection, export, key)
            ended = datetime.now(UTC)
            outcome = {
                "status": "complete",
                "object_key": key,
                "row_count": row_count,
                "expires_at": ended + self._keep,
            }
            await export_store.change_export(connection, export_id, outcome)
        log.info(
            "exported",
            extra={
                "tenant_id": tenant_id,
                "segment_id": export.segment_id,
                "export_id": export_id,
                "format": export.format,
                "rows": row_count,
                "seconds": round((ended - began).total_seconds(), 3),
            },
        )

    async def _write(self, connection: AsyncConnection, export: Row[Any], key: str) -> int:
        """Writes the file; how many members are in it."""
        count = 0
        async with self._objects.writing(key) as sink:
            file = await self._objects.in_thread(FILES[export.format], sink)
            try:
                async for rows in await store.stream_members(connection, export.segment_id, chunk=CHUNK):
                    await self._objects.in_thread(file.write, [row[0] for row in rows], rows[0][2])
                    count += len(rows)
            finally:
                await self._objects.in_thread(file.close)
        return count

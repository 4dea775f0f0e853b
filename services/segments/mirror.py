"""The mirror of ledgers in the warehouse, caught up when it is needed."""

from contextlib import aclosing
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.lines import whole_lines
from services.segments import ledger_store

CHUNK_BYTES = 4 * 1024 * 1024

Place = tuple[int, str]


class Copy(Protocol):
    """Where ledgers are mirrored, for the current caller's tenant."""

    async def mirror_position(self, segment_id: int) -> Place:
        """Run and user of a segment's last change that is mirrored; run 0 when none is."""

    async def append_changes(self, segment_id: int, copy_text: bytes) -> None:
        """Mirrors what follows in the ledger, whole lines of COPY's text format. Changes may come twice."""


class Mirror:
    """Brings the mirror up to date.

    Changes go there in the ledger's order, so that its last one tells what is missing, whoever else brings it up to
    date at the same time, and whatever was interrupted.
    """

    def __init__(self, copy: Copy) -> None:
        self._copy = copy

    async def catch_up(self, connection: AsyncConnection, segment_id: int, last_run: int) -> None:
        """Mirrors a segment's ledger up to its run `last_run`. Holds one chunk in memory."""
        if not last_run:
            return
        after = await self._copy.mirror_position(segment_id)
        rows = ledger_store.copy_changes(connection, segment_id, after=after, last_run=last_run)
        async with aclosing(rows), aclosing(whole_lines(rows, CHUNK_BYTES)) as chunks:
            async for chunk in chunks:
                await self._copy.append_changes(segment_id, chunk)

"""Erasing users from segments: from memberships, ledgers and the files of exports."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from services.kit.objects import Objects
from services.kit.postgres import Database
from services.segments import erasure_store, ledger_store, store


class Eraser:
    """Erases users of all tenants. Everything may be done again. Raises Unavailable."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects

    async def await_computes(self, tenant_id: int) -> None:
        """Waits until every compute that runs has ended."""
        async with self._database.tenant(tenant_id) as connection:
            computing = await erasure_store.computing_segments(connection)
        for segment_id in computing:
            async with self._database.tenant(tenant_id) as connection:
                await ledger_store.take_compute_turn(connection, segment_id)

    async def erase(self, tenant_id: int, user_ids: Sequence[str]) -> Counter[str]:
        """How many memberships, changes and files there were, which are gone."""
        found: Counter[str] = Counter(dict.fromkeys(("memberships", "membership_changes", "exports"), 0))
        async with self._database.tenant(tenant_id) as connection:
            segment_ids = await erasure_store.segments_of(connection, tenant_id, user_ids)
        for segment_id in segment_ids:
            found.update(await self._erase_from(tenant_id, segment_id, user_ids))
        found["exports"] += await self._delete_files(tenant_id)
        return found

    async def _erase_from(self, tenant_id: int, segment_id: int, user_ids: Sequence[str]) -> Counter[str]:
        async with self._database.tenant(tenant_id) as connection:
            await ledger_store.take_compute_turn(connection, segment_id)
            if not await store.claim_segment(connection, segment_id):
                return Counter()
            # One that waits reads the membership when this is done.
            await erasure_store.take_export_turns(connection, segment_id)
            await erasure_store.expire_exports(connection, segment_id)
            changes = await erasure_store.delete_changes(connection, segment_id, user_ids)
            if exited := await erasure_store.delete_memberships(connection, segment_id, user_ids):
                await erasure_store.write_run(connection, segment_id, exited, datetime.now(UTC))
        return Counter(memberships=exited, membership_changes=changes)

    async def _delete_files(self, tenant_id: int) -> int:
        async with self._database.tenant(tenant_id) as connection:
            keys = await erasure_store.files_to_delete(connection)
        for key in keys:
            await self._objects.delete(key)
            async with self._database.tenant(tenant_id) as connection:
                await erasure_store.forget_file(connection, key)
        return len(keys)

"""Exports whose time is over, and files that no export has any more."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from services.kit.objects import Objects
from services.kit.postgres import Database
from services.segments import export_store

SWEEP_SECONDS = 60.0
# Marked in one sweep; more wait for the next one.
MOST_EXPIRED = 1_000
# `<tenant>-<export>-<of this try>.<format>`, and whatever the storage adds to drafts.
KEY = re.compile(r"(\d+)-(\d+)-[0-9a-f]+\..+")


class ExportSweeper:
    """Keeps the storage clean. Any number of processes may do so at the same time."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects

    async def sweep(self) -> None:
        """Marks exports whose time is over, then deletes every file that belongs to none.

        Such are also the files of deleted segments and the drafts of killed processes. Raises Unavailable.
        """
        async with self._database.system() as connection:
            expired = await export_store.expired_exports(connection, MOST_EXPIRED)
        for tenant_id, export_ids in _grouped(expired).items():
            async with self._database.tenant(tenant_id) as connection:
                await export_store.mark_expired(connection, export_ids)
        await self._delete_orphans()

    async def _delete_orphans(self) -> None:
        # The files first: an export is recorded before its file is begun.
        places = {key: place for key in await self._objects.keys() if (place := export_of(key))}
        for tenant_id, export_ids in _grouped(places.values()).items():
            async with self._database.tenant(tenant_id) as connection:
                kept = await export_store.exports_with_files(connection, export_ids)
            for key, (owner, export_id) in places.items():
                if owner == tenant_id and not (export_id in kept and kept[export_id] in (None, key)):
                    await self._objects.delete(key)


def export_of(key: str) -> tuple[int, int] | None:
    """Tenant and id of the export that a file, or a draft of one, was written for; None for another's file."""
    found = KEY.fullmatch(key)
    return (int(found[1]), int(found[2])) if found else None


def _grouped(pairs: Iterable[tuple[int, int]]) -> Mapping[int, set[int]]:
    """Second halves by first halves."""
    groups: defaultdict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        groups[one].add(other)
    return groups

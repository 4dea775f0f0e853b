"""Stored secrets under a key that is no longer the first of a vault come under it, at the start of a process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy import Column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.vault import Unreadable, Vault

log = logging.getLogger("renewal")

RETRY_SECONDS = 1.0


async def renew_column(connection: AsyncConnection, vault: Vault, column: "Column[bytes]", **where: object) -> None:
    """Brings the secrets in a column, as far as the session sees them, under the vault's first key.

    One that cannot be read is left and logged with `where`.
    """
    table = column.table
    for row in await connection.execute(select(table.c.id, column.label("sealed")).where(column.is_not(None))):
        try:
            renewed = vault.renewed(row.sealed)
        except Unreadable:
            found = {**where, "table": table.name, "row_id": row.id}
            log.error("a stored secret is under no known key; it has to be set again", extra=found)
            continue
        if renewed:
            # Unless another is there by now.
            unchanged = (table.c.id == row.id) & (column == row.sealed)
            await connection.execute(update(table).where(unchanged).values({column: renewed}))


async def until_done(renew: Callable[[], Awaitable[None]]) -> None:
    """Does `renew` once, as soon as PostgreSQL and the schema are there."""
    while True:
        try:
            await renew()
        except Exception as error:
            log.warning("secrets could not be renewed yet; trying again: %r", error)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return

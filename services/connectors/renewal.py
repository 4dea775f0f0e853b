"""Secrets under a key that is no longer the first are encrypted under it, at the start of a process."""

import asyncio
import logging

from services.connectors import secret_store
from services.kit.postgres import Database
from services.kit.vault import Unreadable, Vault

log = logging.getLogger("renewal")

RETRY_SECONDS = 1.0


async def renew_secrets(database: Database, vault: Vault) -> None:
    """Brings the secrets of all tenants under the vault's first key. One that cannot be read is logged and left."""
    async with database.system() as connection:
        tenant_ids = await secret_store.tenants_with_secrets(connection)
    for tenant_id in tenant_ids:
        await _renew_tenant(database, vault, tenant_id)


async def renew_until_done(database: Database, vault: Vault) -> None:
    """Does the same as soon as PostgreSQL and the schema are there."""
    while True:
        try:
            await renew_secrets(database, vault)
        except Exception as error:
            log.warning("secrets could not be renewed yet; trying again: %r", error)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


async def _renew_tenant(database: Database, vault: Vault, tenant_id: int) -> None:
    async with database.tenant(tenant_id) as connection:
        for column in secret_store.SEALED:
            for row_id, sealed in await secret_store.list_sealed(connection, column):
                try:
                    renewed = vault.renewed(sealed)
                except Unreadable:
                    where = {"tenant_id": tenant_id, "table": column.table.name, "row_id": row_id}
                    log.error("a stored secret is under no known key; its owner has to send it again", extra=where)
                    continue
                if renewed:
                    await secret_store.replace_sealed(connection, column, row_id, sealed=sealed, renewed=renewed)

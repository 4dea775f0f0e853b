"""Secrets under a key that is no longer the first are encrypted under it, at the start of a process."""

from services.connectors import secret_store
from services.kit.postgres import Database
from services.kit.renewal import renew_column
from services.kit.vault import Vault


async def renew_secrets(database: Database, vault: Vault) -> None:
    """Brings the secrets of all tenants under the vault's first key."""
    async with database.system() as connection:
        tenant_ids = await secret_store.tenants_with_secrets(connection)
    for tenant_id in tenant_ids:
        async with database.tenant(tenant_id) as connection:
            for column in secret_store.SEALED:
                await renew_column(connection, vault, column, tenant_id=tenant_id)

"""Secrets of public keys and signing keys, when the vault has a new first key."""

from services.kit.postgres import Database
from services.kit.renewal import renew_column
from services.kit.vault import Vault
from services.schema.identity import api_keys, signing_keys


async def renew_secrets(database: Database, vault: Vault) -> None:
    """Brings all of them under the vault's first key."""
    async with database.system() as connection:
        for column in (api_keys.c.hmac_secret, signing_keys.c.private_key):
            await renew_column(connection, vault, column)

"""The secret with which a tenant's shop signs its webhooks: set and taken away, never shown."""

from collections.abc import Mapping

from services.ingestion import shopify_store
from services.ingestion.events import REQUIRED
from services.kit.errors import Invalid
from services.kit.postgres import Database
from services.kit.texts import CONTROL
from services.kit.vault import Vault

# What a secret reads as; sent back, it keeps the stored one.
MASK = "***"
MAX_SECRET = 256
NAME = "webhook_secret"


class ShopifyIntegrations:
    """The secrets of all tenants, each of which sets its own."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def shown(self, tenant_id: int) -> str | None:
        """The secret as it is shown: masked, or None without one."""
        async with self._database.tenant(tenant_id) as connection:
            return MASK if await shopify_store.has_secret(connection) else None

    async def put(self, tenant_id: int, sent: Mapping[str, object]) -> str | None:
        """Sets the secret that was sent, and answers it as it is shown. Raises Invalid."""
        secret = sent.get(NAME, "")
        async with self._database.tenant(tenant_id) as connection:
            if secret is None:
                await shopify_store.drop_secret(connection)
                return None
            if secret != MASK:
                await shopify_store.put_secret(connection, tenant_id, self._vault.seal(_checked(secret)))
            elif not await shopify_store.has_secret(connection):
                raise Invalid({NAME: ["There is no stored secret to keep."]})
        return MASK


def _checked(secret: object) -> str:
    if not isinstance(secret, str):
        raise Invalid({NAME: ["Must be a string or null."]})
    if not secret:
        raise Invalid({NAME: [REQUIRED]})
    if len(secret) > MAX_SECRET:
        raise Invalid({NAME: [f"Use {MAX_SECRET} characters or fewer."]})
    if CONTROL.search(secret):
        raise Invalid({NAME: ["Control characters are not allowed."]})
    return secret

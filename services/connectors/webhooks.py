"""Webhooks: creating, changing and deleting them, reading them and their deliveries, and delivering again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from services.connectors import delivery_store, webhook_store
from services.connectors.fields import Fields
from services.connectors.outbound import Outbound
from services.connectors.webhook_fields import DEFAULTS, field_errors
from services.definition.attributes import REQUIRED
from services.kit.errors import Conflict, Invalid, NotFound
from services.kit.paging import Page
from services.kit.postgres import Database
from services.kit.vault import Vault

INACTIVE = "The webhook was deactivated."


class WebhookInactive(Conflict):
    """The webhook is not active."""


class Webhooks:
    """The webhooks of all tenants, each of which sees its own."""

    def __init__(self, database: Database, vault: Vault, outbound: Outbound) -> None:
        self._database = database
        self._vault = vault
        self._outbound = outbound

    async def page(self, tenant_id: int, page: Page) -> tuple[int, Sequence[Row[Any]]]:
        """How many webhooks there are, and a page of them by id."""
        async with self._database.tenant(tenant_id) as connection:
            count = await webhook_store.count_webhooks(connection)
            return count, await webhook_store.list_webhooks(connection, limit=page.limit, offset=page.offset)

    async def find(self, tenant_id: int, webhook_id: int) -> Row[Any]:
        """One webhook. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            return _found(await webhook_store.find_webhook(connection, webhook_id))

    async def create(self, tenant_id: int, sent: Fields) -> Row[Any]:
        """A new webhook. Raises Invalid with every wrong field."""
        columns = await self._columns({**DEFAULTS, **sent}, is_whole=True)
        async with self._database.tenant(tenant_id) as connection:
            return await webhook_store.add_webhook(connection, {"tenant_id": tenant_id, **columns})

    async def replace(self, tenant_id: int, webhook_id: int, sent: Fields) -> Row[Any]:
        """The webhook with every field as sent, or its default, but for a secret that was not sent.

        Raises NotFound, or Invalid with every wrong field.
        """
        columns = await self._columns({**DEFAULTS, **sent}, is_whole=True)
        return await self._change(tenant_id, webhook_id, columns)

    async def change(self, tenant_id: int, webhook_id: int, sent: Fields) -> Row[Any]:
        """The webhook with the sent fields changed. Raises NotFound, or Invalid with every wrong field."""
        columns = await self._columns(sent, is_whole=False)
        return await self._change(tenant_id, webhook_id, columns) if columns else await self.find(tenant_id, webhook_id)

    async def remove(self, tenant_id: int, webhook_id: int) -> None:
        """Deletes a webhook with its deliveries. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            if not await webhook_store.delete_webhook(connection, webhook_id):
                raise NotFound

    async def page_of_deliveries(self, tenant_id: int, webhook_id: int, page: Page) -> tuple[int, Sequence[Row[Any]]]:
        """How many deliveries of a webhook are kept, and a page of them, newest first. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            _found(await webhook_store.find_webhook(connection, webhook_id))
            count = await delivery_store.count_deliveries(connection, webhook_id)
            rows = await delivery_store.list_deliveries(connection, webhook_id, limit=page.limit, offset=page.offset)
            return count, rows

    async def redeliver(self, tenant_id: int, delivery_id: str) -> Row[Any]:
        """A delivery that is to be sent again, whatever became of it.

        Raises NotFound, WebhookInactive, or Invalid on `delivery_id`.
        """
        try:
            wanted = UUID(delivery_id)
        except ValueError as error:
            raise Invalid({"delivery_id": ["must be a UUID" if delivery_id else REQUIRED]}) from error
        async with self._database.tenant(tenant_id) as connection:
            delivery = _found(await delivery_store.find_delivery(connection, wanted))
            if not delivery.is_active:
                raise WebhookInactive
            return await delivery_store.ask_again(connection, wanted)

    async def _columns(self, sent: Fields, *, is_whole: bool) -> dict[str, object]:
        """Sent fields as columns. Raises Invalid with every wrong field."""
        wrong = field_errors(sent, self._outbound.url_errors)
        if is_whole and "url" not in sent:
            wrong["url"] = [REQUIRED]
        elif "url" in sent and "url" not in wrong and (errors := await self._outbound.host_errors(sent["url"])):
            wrong["url"] = errors
        if wrong:
            raise Invalid(wrong)
        if "secret" in sent:
            return {**sent, "secret": self._vault.seal(sent["secret"]) if sent["secret"] else None}
        return dict(sent)

    async def _change(self, tenant_id: int, webhook_id: int, columns: Fields) -> Row[Any]:
        async with self._database.tenant(tenant_id) as connection:
            webhook = _found(await webhook_store.change_webhook(connection, webhook_id, columns))
            if not webhook.is_active:
                await delivery_store.fail_pending(connection, webhook_id, INACTIVE)
            return webhook


def _found(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise NotFound
    return row

"""Reading connectors and their logs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from services.connectors import store
from services.kit.errors import NotFound
from services.kit.paging import Page
from services.kit.postgres import Database


async def find(database: Database, tenant_id: int, activation_id: int) -> Row[Any]:
    """One connector. Raises NotFound."""
    async with database.tenant(tenant_id) as connection:
        activation = await store.find_activation(connection, activation_id)
    if activation is None:
        raise NotFound
    return activation


async def page_of_activations(database: Database, tenant_id: int, page: Page) -> tuple[int, Sequence[Row[Any]]]:
    """How many connectors there are, and a page of them by id."""
    async with database.tenant(tenant_id) as connection:
        count = await store.count_activations(connection)
        return count, await store.list_activations(connection, limit=page.limit, offset=page.offset)


async def page_of_logs(
    database: Database, tenant_id: int, activation_id: int, page: Page
) -> tuple[int, Sequence[Row[Any]]]:
    """How many attempts to sync a connector there were, and a page of them, newest first. Raises NotFound."""
    async with database.tenant(tenant_id) as connection:
        if await store.find_activation(connection, activation_id) is None:
            raise NotFound
        count = await store.count_logs(connection, activation_id)
        return count, await store.list_logs(connection, activation_id, limit=page.limit, offset=page.offset)

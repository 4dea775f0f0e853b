"""The schemas that tenants declare: creating, changing, reading and deleting them, and trying payloads."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from services.ingestion import schema_store
from services.ingestion.schema_fields import Fields, changed_fields, whole_schema
from services.ingestion.schemas import read_schema
from services.kit.errors import Invalid, NotFound
from services.kit.paging import Page
from services.kit.postgres import Database

# Every ingestion process keeps the schemas of the tenants it serves in memory.
MAX_SCHEMAS = 1_000


class SchemaRegistry:
    """The schemas of all tenants, each of which sees its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant_id: int, page: Page) -> tuple[int, Sequence[Row[Any]]]:
        """How many schemas there are, and a page of them by event type."""
        async with self._database.tenant(tenant_id) as connection:
            count = await schema_store.count_schemas(connection)
            return count, await schema_store.list_schemas(connection, limit=page.limit, offset=page.offset)

    async def find(self, tenant_id: int, schema_id: int) -> Row[Any]:
        """One schema. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            return _found(await schema_store.find_schema(connection, schema_id))

    async def create(self, tenant_id: int, sent: Fields) -> Row[Any]:
        """A new schema. Raises Invalid with every wrong field."""
        columns = whole_schema(sent)
        async with self._database.tenant(tenant_id) as connection:
            if await schema_store.count_schemas(connection) >= MAX_SCHEMAS:
                raise Invalid(detail=f"A tenant can have {MAX_SCHEMAS:,} schemas.")
            return await schema_store.add_schema(connection, {"tenant_id": tenant_id, **columns})

    async def replace(self, tenant_id: int, schema_id: int, sent: Fields) -> Row[Any]:
        """The schema with every field as sent. Raises NotFound, or Invalid with every wrong field."""
        return await self._change(tenant_id, schema_id, whole_schema(sent))

    async def change(self, tenant_id: int, schema_id: int, sent: Fields) -> Row[Any]:
        """The schema with the sent fields changed. Raises NotFound, or Invalid with every wrong field."""
        columns = changed_fields(sent)
        return await (self._change(tenant_id, schema_id, columns) if columns else self.find(tenant_id, schema_id))

    async def remove(self, tenant_id: int, schema_id: int) -> None:
        """Deletes a schema. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            if not await schema_store.delete_schema(connection, schema_id):
                raise NotFound

    async def validate(self, tenant_id: int, event_type: str, payload: str) -> tuple[str, list[str]]:
        """A payload, compact JSON text of an object, as an event of this type would have it, and what is wrong."""
        async with self._database.tenant(tenant_id) as connection:
            properties = await schema_store.find_properties(connection, event_type)
        return read_schema(event_type, properties).conform(payload) if properties else (payload, [])

    async def _change(self, tenant_id: int, schema_id: int, columns: Fields) -> Row[Any]:
        async with self._database.tenant(tenant_id) as connection:
            return _found(await schema_store.change_schema(connection, schema_id, columns))


def _found(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise NotFound
    return row

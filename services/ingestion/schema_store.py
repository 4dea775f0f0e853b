"""SQL of event schemas. Sessions are one tenant's: row-level security hides every other tenant's rows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, Text, cast, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.errors import Invalid
from services.schema.ingestion import event_schemas

TAKEN = {"event_type": ["This event type has a schema already."]}


async def count_schemas(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.count()).select_from(event_schemas))).scalar_one())


async def list_schemas(connection: AsyncConnection, *, limit: int, offset: int) -> Sequence[Row[Any]]:
    """Schemas by event type."""
    statement = select(event_schemas).order_by(event_schemas.c.event_type).limit(limit).offset(offset)
    return (await connection.execute(statement)).all()


async def all_properties(connection: AsyncConnection) -> Mapping[str, str]:
    """The properties of every schema as JSON text, by event type."""
    query = select(event_schemas.c.event_type, cast(event_schemas.c.properties, Text))
    return dict((await connection.execute(query)).all())


async def find_schema(connection: AsyncConnection, schema_id: int) -> Row[Any] | None:
    return (await connection.execute(select(event_schemas).where(event_schemas.c.id == schema_id))).one_or_none()


async def find_properties(connection: AsyncConnection, event_type: str) -> str | None:
    """The properties of an event type as JSON text; None when it has no schema."""
    query = select(cast(event_schemas.c.properties, Text)).where(event_schemas.c.event_type == event_type)
    return (await connection.execute(query)).scalar_one_or_none()


async def add_schema(connection: AsyncConnection, columns: Mapping[str, object]) -> Row[Any]:
    """Raises Invalid for an event type that has a schema already."""
    async with _unique():
        return (await connection.execute(insert(event_schemas).values(**columns).returning(*event_schemas.c))).one()


async def change_schema(connection: AsyncConnection, schema_id: int, columns: Mapping[str, object]) -> Row[Any] | None:
    """A schema with some columns changed; None when there is none. Raises Invalid as `add_schema` does."""
    statement = (
        update(event_schemas)
        .where(event_schemas.c.id == schema_id)
        .values(**columns, updated_at=func.now())
        .returning(*event_schemas.c)
    )
    async with _unique():
        return (await connection.execute(statement)).one_or_none()


async def delete_schema(connection: AsyncConnection, schema_id: int) -> bool:
    """Deletes a schema; False when there is none."""
    statement = delete(event_schemas).where(event_schemas.c.id == schema_id).returning(event_schemas.c.id)
    return (await connection.execute(statement)).one_or_none() is not None


@asynccontextmanager
async def _unique() -> AsyncIterator[None]:
    """A table with one constraint that a caller can break."""
    try:
        yield
    except IntegrityError as error:
        raise Invalid(TAKEN) from error

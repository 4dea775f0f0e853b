"""Creating, changing and deleting segments. A changed definition makes a version."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, func
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.caller import Caller
from services.kit.errors import NotFound
from services.kit.postgres import Database
from services.segments import store
from services.segments.fields import Fields, changed_fields, whole_segment
from services.segments.values import same


async def create(database: Database, caller: Caller, sent: Fields) -> Row[Any]:
    """A new segment. Raises Invalid with every wrong field."""
    columns = whole_segment(sent, caller.tenant)
    has_definition = columns["definition"] is not None
    async with database.tenant(caller.tenant) as connection:
        row = await store.add_segment(
            connection, {**columns, "tenant_id": caller.tenant, "version": int(has_definition)}
        )
        if has_definition:
            await store.add_version(connection, row, author(caller))
    return row


async def replace(database: Database, caller: Caller, segment_id: int, sent: Fields) -> Row[Any]:
    """The segment with every field as sent, or its default. Raises NotFound, or Invalid with every wrong field."""
    columns = whole_segment(sent, caller.tenant)
    async with database.tenant(caller.tenant) as connection:
        return await _change(connection, caller, segment_id, columns)


async def change(database: Database, caller: Caller, segment_id: int, sent: Fields) -> Row[Any]:
    """The segment with the sent fields changed. Raises NotFound, or Invalid with every wrong field."""
    columns = changed_fields(sent, caller.tenant)
    async with database.tenant(caller.tenant) as connection:
        return await _change(connection, caller, segment_id, columns)


async def remove(database: Database, caller: Caller, segment_id: int) -> None:
    """Deletes a segment with its versions and membership. Raises NotFound."""
    async with database.tenant(caller.tenant) as connection:
        if not await store.delete_segment(connection, segment_id):
            raise NotFound


def author(caller: Caller) -> str:
    """Who made a version, such as `user:7`, `key:3` or `service:connectors`."""
    if caller.user_id is not None:
        return f"user:{caller.user_id}"
    return f"key:{caller.key_id}" if caller.key_id is not None else f"service:{caller.service}"


async def _change(
    connection: AsyncConnection, caller: Caller, segment_id: int, columns: Mapping[str, object]
) -> Row[Any]:
    segment = await store.lock_segment(connection, segment_id)
    if segment is None:
        raise NotFound
    changed = {name: value for name, value in columns.items() if not same(value, getattr(segment, name))}
    if not changed:
        return segment
    version = segment.version + ("definition" in changed)
    row = await store.change_segment(connection, segment_id, {**changed, "version": version, "updated_at": func.now()})
    if "definition" in changed:
        await store.add_version(connection, row, author(caller))
    return row

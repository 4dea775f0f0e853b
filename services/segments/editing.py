"""Creating, changing and deleting segments. A changed definition makes a version."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.caller import Caller
from services.kit.errors import Conflict, NotFound
from services.kit.postgres import Database
from services.segments import reference_store, store
from services.segments.fields import Fields, changed_fields, whole_segment
from services.segments.references import reference_errors, references
from services.segments.schedule import refresh_at
from services.segments.values import same

MOST_NAMED = 10


class SegmentInUse(Conflict):
    """Other segments refer to this one, or connectors send it."""

    def __init__(self, dependents: Sequence[str], connectors: Sequence[str]) -> None:
        """Takes what to call them."""
        users = {
            "Other segments refer to this one": dependents,
            "Connectors send this one, or have yet to take its users back": connectors,
        }
        super().__init__(" ".join(f"{use}: {_listed(names)}." for use, names in users.items() if names))


async def create(database: Database, caller: Caller, sent: Fields) -> Row[Any]:
    """A new segment. Raises Invalid with every wrong field."""
    async with database.tenant(caller.tenant) as connection:
        columns = whole_segment(sent, caller.tenant, await _wrong_references(connection, caller.tenant, sent))
        own = {
            "tenant_id": caller.tenant,
            "version": int(columns["definition"] is not None),
            "refresh_at": refresh_at(None, columns, datetime.now(UTC)),
        }
        row = await store.add_segment(connection, {**columns, **own})
        if row.version:
            await _record_definition(connection, row, caller)
    return row


async def replace(database: Database, caller: Caller, segment_id: int, sent: Fields) -> Row[Any]:
    """The segment with every field as sent, or its default. Raises NotFound, or Invalid with every wrong field."""
    async with database.tenant(caller.tenant) as connection:
        wrong = await _wrong_references(connection, caller.tenant, sent, segment_id)
        columns = whole_segment(sent, caller.tenant, wrong)
        return await _change(connection, caller, segment_id, columns)


async def change(database: Database, caller: Caller, segment_id: int, sent: Fields) -> Row[Any]:
    """The segment with the sent fields changed. Raises NotFound, or Invalid with every wrong field."""
    async with database.tenant(caller.tenant) as connection:
        wrong = await _wrong_references(connection, caller.tenant, sent, segment_id)
        columns = changed_fields(sent, caller.tenant, wrong)
        return await _change(connection, caller, segment_id, columns)


async def remove(database: Database, caller: Caller, segment_id: int) -> None:
    """Deletes a segment with all that belongs to it. Raises NotFound, or SegmentInUse."""
    async with database.tenant(caller.tenant) as connection:
        if not await store.claim_segment(connection, segment_id):
            raise NotFound
        dependents = await reference_store.list_dependents(connection, segment_id)
        connectors = await reference_store.list_connectors(connection, segment_id)
        if dependents or connectors:
            raise SegmentInUse(
                [f'"{row.name}" (id {row.id})' for row in dependents],
                [f"{row.connector_type} (id {row.id})" for row in connectors],
            )
        await store.delete_segment(connection, segment_id)


def author(caller: Caller) -> str:
    """Who made a version, such as `user:7`, `key:3` or `service:connectors`."""
    if caller.user_id is not None:
        return f"user:{caller.user_id}"
    return f"key:{caller.key_id}" if caller.key_id is not None else f"service:{caller.service}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


async def _wrong_references(
    connection: AsyncConnection, tenant_id: int, sent: Fields, segment_id: int | None = None
) -> list[str]:
    """What is wrong with the references of a definition that was sent to be saved."""
    definition = sent.get("definition")
    if not references(definition):
        return []
    # Two saves at once could close a cycle that neither of them sees.
    await reference_store.take_references_turn(connection, tenant_id)
    return await reference_errors(connection, definition, segment_id)


async def _record_definition(connection: AsyncConnection, segment: Row[Any], caller: Caller) -> None:
    await store.add_version(connection, segment, author(caller))
    await reference_store.replace_references(connection, segment, set(references(segment.definition).values()))


async def _change(
    connection: AsyncConnection, caller: Caller, segment_id: int, columns: Mapping[str, object]
) -> Row[Any]:
    segment = await store.lock_segment(connection, segment_id)
    if segment is None:
        raise NotFound
    changed = {name: value for name, value in columns.items() if not same(value, getattr(segment, name))}
    if not changed:
        return segment
    own = {
        "version": segment.version + ("definition" in changed),
        "refresh_at": refresh_at(segment._asdict(), {**segment._asdict(), **changed}, datetime.now(UTC)),
        "updated_at": func.now(),
    }
    row = await store.change_segment(connection, segment_id, {**changed, **own})
    if "definition" in changed:
        await _record_definition(connection, row, caller)
    return row

"""What a segment and the connectors that send it mean to each other."""

import asyncio

import pytest
from sqlalchemy import insert, select, update

from services.kit.errors import Conflict
from services.kit.postgres import Database
from services.schema.connectors import activations
from services.schema.segments import segments
from tests.integration.segments.calling import Tenant, member_of


async def connect(database: Database, tenant: Tenant, segment_id: int, **columns: object) -> int:
    """A connector of a segment, made as the connectors service makes it; its id."""
    row = {"tenant_id": tenant.id, "segment_id": segment_id, "connector_type": "klaviyo", "config": {}, **columns}
    async with database.tenant(tenant.id) as connection:
        statement = select(segments.c.id).where(segments.c.id == segment_id)
        await connection.execute(statement.with_for_update(read=True, key_share=True))
        added = insert(activations).values(**row).returning(activations.c.id)
        return int((await connection.execute(added)).scalar_one())


async def test_a_segment_that_connectors_send_is_not_deleted(tenant: Tenant, database: Database) -> None:
    segment, other = (await tenant.create()).id, (await tenant.create("Other")).id
    first, second = [await connect(database, tenant, segment) for _ in range(2)]
    with pytest.raises(Conflict, match=rf": klaviyo \(id {first}\), klaviyo \(id {second}\)\.$"):
        await tenant.delete(segment)
    await tenant.update(other, definition=member_of(segment))
    with pytest.raises(Conflict, match=rf'"Other" \(id {other}\)\. Connectors send this one, .* klaviyo'):
        await tenant.delete(segment)


@pytest.mark.parametrize("role", ["sent_segment_id", "target_segment_id"])
async def test_a_segment_whose_users_have_to_be_taken_back_is_not_deleted(
    tenant: Tenant, database: Database, role: str
) -> None:
    before, now = (await tenant.create()).id, (await tenant.create()).id
    connector = await connect(database, tenant, now, **{role: before})
    with pytest.raises(Conflict, match="take its users back: klaviyo"):
        await tenant.delete(before)
    async with database.tenant(tenant.id) as connection:
        await connection.execute(update(activations).where(activations.c.id == connector).values({role: now}))
    await tenant.delete(before)


async def test_a_delete_and_a_new_connector_at_the_same_time_agree(tenant: Tenant, database: Database) -> None:
    for _ in range(15):
        segment = (await tenant.create()).id
        made, deleted = await asyncio.gather(
            connect(database, tenant, segment), tenant.delete(segment), return_exceptions=True
        )
        assert isinstance(made, int) == isinstance(deleted, Conflict)

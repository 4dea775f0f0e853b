"""A user who was erased is in no membership, no ledger and no export, and no compute brings them back."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from sqlalchemy import insert

from services.gen.segops.segments.v1 import erasure_pb2 as erasure
from services.gen.segops.segments.v1 import erasure_pb2_grpc
from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.caller import IDENTITY_HEADER, Caller, mint
from services.kit.keys import INTERNAL_KEY, private_key
from services.kit.postgres import Database
from services.kit.settings import Settings
from services.schema.profiles import erasures
from tests.integration.segments.calling import Tenant, at_least
from tests.integration.segments.events import bring_in
from tests.integration.segments.exports import begin, look, settled
from tests.integration.segments.holding import holding
from tests.integration.segments.ledger import changes, rows, runs
from tests.integration.warehouse.processes import Warehouse


class Eraser:
    """The service as whoever erases calls it."""

    def __init__(self, settings: Settings, channel: grpc.aio.Channel, tenant: Tenant) -> None:
        caller = Caller(kind="service", tenant_id=tenant.id, service="profiles")
        self._metadata = ((IDENTITY_HEADER, mint(caller, private_key(settings, INTERNAL_KEY))),)
        self._stub = erasure_pb2_grpc.ErasureServiceStub(channel)

    async def erase(self, *user_ids: str) -> dict[str, int]:
        answer = await self._call(self._stub.EraseMembers, erasure.EraseMembersRequest(user_ids=user_ids))
        return {one.store: one.erased for one in answer.stores}

    async def await_computes(self) -> None:
        await self._call(self._stub.AwaitComputes, erasure.AwaitComputesRequest())

    async def _call(self, method: Any, request: Any) -> Any:
        return await method(request, metadata=self._metadata, timeout=30)


@pytest.fixture
def eraser(settings: Settings, channel: grpc.aio.Channel, tenant: Tenant) -> Eraser:
    return Eraser(settings, channel, tenant)


async def ask_for_erasure(database: Database, tenant: Tenant, *user_ids: str) -> None:
    """What the profiles service writes down first."""
    values = {"tenant_id": tenant.id, "user_ids": list(user_ids), "requested_at": datetime.now(UTC), "stores": []}
    async with database.tenant(tenant.id) as connection:
        await connection.execute(insert(erasures).values(**values))


async def test_memberships_and_changes_go_and_counts_stay_true(
    tenant: Tenant, warehouse: Warehouse, database: Database, eraser: Eraser
) -> None:
    await bring_in(warehouse, tenant.id, "one", ["a", "b", "c"])
    await bring_in(warehouse, tenant.id, "two", ["b", "c"])
    segment, past = await tenant.create(definition=at_least("one")), await tenant.create(definition=at_least("one"))
    for each in (segment, past):
        await tenant.compute(each.id)
    await tenant.update(past.id, definition=at_least("two"))
    await tenant.compute(past.id)
    assert await eraser.erase("a") == {"memberships": 1, "membership_changes": 3, "exports": 0}
    assert await changes(database, tenant, segment.id) == [["+b", "+c"]]
    assert (await tenant.get(segment.id)).member_count == 2
    assert (await tenant.get(past.id)).member_count == 2
    assert await tenant.walk(segment.id, 10) == ["b", "c"]
    assert (await tenant.changes(past.id)).count == 2
    first, second = await runs(database, tenant, segment.id)
    assert (second.cause, second.entered, second.exited, second.member_count) == ("erasure", 0, 0, 2)
    [row] = await rows(database, tenant, f"SELECT last_run_id FROM segments WHERE id = {segment.id}")
    assert row.last_run_id == second.id > first.id
    assert await eraser.erase("a") == {"memberships": 0, "membership_changes": 0, "exports": 0}


async def test_exports_of_their_segments_expire_and_others_stay(
    tenant: Tenant, warehouse: Warehouse, eraser: Eraser
) -> None:
    await bring_in(warehouse, tenant.id, "one", ["a", "b"])
    await bring_in(warehouse, tenant.id, "two", ["b"])
    exports = []
    for kind in ("one", "two"):
        segment = await tenant.create(definition=at_least(kind))
        await tenant.compute(segment.id)
        export = await begin(tenant, segment.id)
        await settled(tenant, segment.id, export.id)
        exports.append((segment.id, export.id))
    assert (await eraser.erase("a"))["exports"] == 1
    assert [(await look(tenant, *export)).status for export in exports] == ["expired", "complete"]
    assert (await eraser.erase("a"))["exports"] == 0


async def test_a_compute_that_ran_already_is_waited_for_and_later_ones_leave_them_out(
    tenant: Tenant, warehouse: Warehouse, database: Database, eraser: Eraser
) -> None:
    await bring_in(warehouse, tenant.id, "one", ["a", "b"])
    segment = await tenant.create(definition=at_least("one"))
    async with holding(database, tenant) as someone_waits:
        await tenant.queue(segment.id)
        await someone_waits()
        await ask_for_erasure(database, tenant, "a")
        waiting = asyncio.create_task(eraser.await_computes())
        await asyncio.sleep(0)
    await waiting
    assert (await tenant.settled(segment.id)).member_count == 2
    assert (await eraser.erase("a"))["memberships"] == 1
    computed: pb.Segment = await tenant.compute(segment.id)
    assert computed.member_count == 1
    assert await tenant.walk(segment.id, 10) == ["b"]

"""Destinations are told of users who were erased, whatever syncs do meanwhile, and until they have taken it."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from services.connectors.destinations.interface import Chunk, Skipped, TryLater
from services.connectors.erasing import Eraser
from services.connectors.sync_position import Position
from services.kit.postgres import Database
from services.schema.connectors import activations, erasure_removals
from services.schema.segments import membership_changes, memberships
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.outside import Tool
from tests.integration.connectors.syncing import Syncing

ERASURE = 7


class Erasing:
    """An erasure of `c`, step by step as whoever runs it goes."""

    def __init__(self, database: Database, syncing: Syncing) -> None:
        self._database = database
        self._tenant_id = syncing.tenant_id
        self._eraser = Eraser(database, syncing.waiting)

    async def find(self) -> None:
        await self._eraser.find(self._tenant_id, ERASURE, ["c"])

    async def forget_in_ledger(self) -> None:
        async with self._database.tenant(self._tenant_id) as connection:
            for table in (memberships, membership_changes):
                await connection.execute(delete(table).where(table.c.user_id == "c"))

    async def tell(self) -> tuple[int, int, str]:
        told = await self._eraser.tell(self._tenant_id, ERASURE, ["c"])
        return told.told, told.waiting, told.last_error

    async def all_steps(self) -> tuple[int, int, str]:
        await self.find()
        await self.forget_in_ledger()
        return await self.tell()


@pytest.fixture
def erasing(database: Database, syncing: Syncing) -> Erasing:
    return Erasing(database, syncing)


async def busy(_: Chunk) -> None:
    raise TryLater("Busy with c.", seconds=30)


async def stop_after(syncing: Syncing, tool: Tool, connector_id: int, chunks: int) -> None:
    """Runs a sync whose destination fails behind so many chunks, the last of which it takes."""

    async def fail(_: Chunk) -> None:
        if len(tool.chunks) == chunks:
            raise TryLater("Down.")

    tool.after = fail
    await syncing.run(connector_id)
    tool.after = None


@pytest.mark.parametrize("status", ["active", "inactive"])
async def test_a_destination_is_told_whatever_the_connectors_status_is(
    syncing: Syncing, segment: Segment, tool: Tool, erasing: Erasing, status: str
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    await syncing.change(connector_id, status=status)
    tool.chunks.clear()
    assert await erasing.all_steps() == (0, 1, "")
    await syncing.run(connector_id)
    assert tool.sent == ["-c"]
    assert await erasing.tell() == (1, 0, "")
    assert syncing.waiting.syncs == {}


async def test_nobody_is_told_who_never_sent_the_user(syncing: Syncing, segment: Segment, erasing: Erasing) -> None:
    await segment.compute("abde")
    await syncing.run(await syncing.connector(segment))
    assert await erasing.all_steps() == (0, 0, "")


async def test_a_connector_that_sent_nothing_yet_has_nothing_to_tell(
    syncing: Syncing, segment: Segment, tool: Tool, erasing: Erasing
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    await erasing.all_steps()
    await syncing.run(connector_id)
    assert tool.lists[f"segment {segment.id}"] == set("abde")
    assert "-c" not in " ".join(tool.sent)
    assert await erasing.tell() == (1, 0, "")


@pytest.mark.parametrize("sent_before_it_stopped", [1, 2, 3])
async def test_a_sync_that_stopped_on_its_way_goes_on_without_the_user(
    syncing: Syncing, segment: Segment, tool: Tool, erasing: Erasing, sent_before_it_stopped: int
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    await stop_after(syncing, tool, connector_id, sent_before_it_stopped)
    await erasing.all_steps()
    row = await syncing.run(connector_id)
    assert tool.lists[f"segment {segment.id}"] == set("abde")
    assert Position.of(row).target is None


async def test_a_chunk_that_is_under_way_does_not_bring_the_user_back(
    syncing: Syncing, segment: Segment, tool: Tool, erasing: Erasing
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)

    async def erase(chunk: Chunk) -> None:
        if "c" in chunk.entered:
            await erasing.all_steps()

    tool.before = erase
    await syncing.run(connector_id)
    assert tool.lists[f"segment {segment.id}"] == set("abcde")
    await syncing.run(connector_id)
    assert tool.lists[f"segment {segment.id}"] == set("abde")
    assert await erasing.tell() == (1, 0, "")


async def test_a_destination_that_fails_is_tried_again_later_and_syncs_go_on_meanwhile(
    syncing: Syncing, database: Database, segment: Segment, tool: Tool, erasing: Erasing
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    await erasing.find()
    await erasing.forget_in_ledger()
    await erasing.tell()
    tool.before = busy
    await syncing.run(connector_id)
    assert await erasing.tell() == (0, 1, "Busy with ***.")
    assert syncing.waiting.syncs == {}
    async with database.tenant(syncing.tenant_id) as connection:
        (row,) = await connection.execute(select(erasure_removals))
        assert row.next_attempt_at - syncing.clock.now >= timedelta(seconds=30)
        await connection.execute(update(erasure_removals).values(next_attempt_at=syncing.clock.now, failing_since=None))
    tool.before = None
    syncing.waiting.syncs[connector_id] = 0
    await syncing.run(connector_id)
    assert await erasing.tell() == (1, 0, "")
    assert tool.lists[f"segment {segment.id}"] == set("abde")


async def test_a_place_where_a_sync_stopped_does_not_name_the_user(
    syncing: Syncing, database: Database, segment: Segment, tool: Tool, erasing: Erasing
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    await stop_after(syncing, tool, connector_id, 1)
    await syncing.change(connector_id, status="inactive")
    async with database.tenant(syncing.tenant_id) as connection:
        bounds = {"sent_through": "c", "tried_through": "c"}
        await connection.execute(update(activations).values(**bounds))
    await erasing.all_steps()
    row = await syncing.run(connector_id)
    assert (row.sent_through, row.tried_through) == ("b", "b")
    await syncing.change(connector_id, status="active")
    await syncing.run(connector_id)
    assert set("de") <= tool.lists[f"segment {segment.id}"]


async def test_logs_do_not_name_the_user(syncing: Syncing, segment: Segment, tool: Tool, erasing: Erasing) -> None:
    await segment.compute("abc")
    tool.skipped = [Skipped(user_id="c", reason="No such user as c; once more: c.")]
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    tool.skipped = ()
    await erasing.all_steps()
    (log,) = await syncing.logs(connector_id)
    assert log.error_message.endswith("One of them: ***: No such user as ***; once more: ***.")
    assert "destination" in log.error_message

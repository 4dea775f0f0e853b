"""A sync sends what changed since the last one, in chunks, and ends where the segment is."""

import asyncio

from sqlalchemy import update

from services.connectors.destinations.interface import Chunk, Skipped
from services.connectors.sync_position import Position, State
from services.kit.postgres import Database
from services.schema.segments import segments
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.outside import Tool
from tests.integration.connectors.syncing import Syncing


async def test_the_first_sync_sends_all_members_in_chunks(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    run_id = await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "+e"]
    assert tool.lists == {f"segment {segment.id}": set("abcde")}
    assert Position.of(row) == Position(sent=State(segment_id=segment.id, run_id=run_id))
    assert (row.is_syncing, row.status, row.last_synced_at) == (False, "active", syncing.clock.now)
    assert syncing.waiting.syncs == {}


async def test_a_sync_sends_who_changed_since_the_last_one(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    tool.chunks.clear()
    await syncing.compute(segment, "abcd")
    await syncing.compute(segment, "bcef")
    await syncing.run(connector_id)
    assert tool.sent == ["-a -d", "+f"]
    assert tool.lists[f"segment {segment.id}"] == set("bcef")


async def test_every_sync_is_logged_with_what_it_sent(syncing: Syncing, segment: Segment) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    await syncing.compute(segment, "ef")
    await syncing.run(connector_id)
    await syncing.compute(segment, "ef")
    await syncing.run(connector_id)
    logs = await syncing.logs(connector_id)
    assert [(log.added, log.removed, log.user_count) for log in logs] == [(5, 0, 5), (1, 4, 2), (0, 0, 2)]
    assert {(log.status, log.error_message, log.attempt) for log in logs} == {("success", None, 1)}


async def test_users_whom_the_destination_leaves_out_are_told_of(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("abc")
    tool.skipped = [Skipped(user_id="a", reason="No such\nuser.")]
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    tool.skipped = ()
    await syncing.compute(segment, "a")
    await syncing.run(connector_id)
    first, second = await syncing.logs(connector_id)
    assert first.error_message == "Left out by the destination: 2 of the users. One of them: a: No such user."
    assert second.error_message is None


async def test_an_empty_segment_takes_nobody_away(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    tool.lists["L"] = {"of-another-tool"}
    await segment.compute("")
    connector_id = await syncing.connector(segment, list_id="L")
    row = await syncing.run(connector_id)
    assert (tool.sent, tool.finished, row.is_syncing) == ([], 1, False)
    await syncing.compute(segment, "a")
    await syncing.run(connector_id)
    await syncing.compute(segment, "")
    await syncing.run(connector_id)
    assert tool.sent == ["+a", "-a"]
    assert tool.lists["L"] == {"of-another-tool"}


async def test_a_segment_never_computed_is_waited_for(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    connector_id = await syncing.connector(segment)
    row = await syncing.run(connector_id)
    assert (row.is_syncing, row.status, tool.opened) == (False, "active", [])
    await syncing.compute(segment, "a")
    await syncing.run(connector_id)
    assert tool.sent == ["+a"]


async def test_computes_during_a_sync_are_sent_after_it(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    async def compute_twice(chunk: Chunk) -> None:
        tool.before = None
        await syncing.compute(segment, "bcd")
        await syncing.compute(segment, "bcde")

    await segment.compute("abc")
    connector_id = await syncing.connector(segment)
    tool.before = compute_twice
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c", "+d -a", "+e"]
    assert (row.is_syncing, row.sent_run, syncing.waiting.syncs) == (False, max(segment.runs), {})


async def test_no_compute_is_missed_however_close_to_the_end_of_a_sync_it_is(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    async def compute_often() -> None:
        for number in range(40):
            await syncing.compute(segment, [f"user-{number}"])

    connector_id = await syncing.connector(segment)
    computing = asyncio.create_task(compute_often())
    while not computing.done() or syncing.waiting.syncs:
        if syncing.waiting.syncs:
            await syncing.run(connector_id)
        await asyncio.sleep(0)
    assert (await syncing.row(connector_id)).sent_run == max(segment.runs)
    assert tool.lists[f"segment {segment.id}"] == {"user-39"}


async def test_the_destination_is_told_whose_users_come(
    database: Database, syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    async with database.tenant(syncing.tenant_id) as connection:
        await connection.execute(update(segments).where(segments.c.id == segment.id).values(name="Regulars"))
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    [audience] = tool.opened
    assert (audience.tenant_id, audience.activation_id) == (syncing.tenant_id, connector_id)
    assert (audience.segment_id, audience.segment_name) == (segment.id, "Regulars")


async def test_chunks_of_two_syncs_have_different_ids_also_when_they_are_equal(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    for members in ("", "a"):
        await syncing.run(connector_id)
        await syncing.compute(segment, members)
    await syncing.run(connector_id)
    assert tool.sent == ["+a", "-a", "+a"]
    assert len({chunk.id for chunk in tool.chunks}) == 3


async def test_users_of_several_windows_are_cut_into_whole_chunks(
    database: Database, tenant_id: int, segment: Segment
) -> None:
    tool = Tool(chunk_users=3)
    syncing = Syncing(database, tenant_id, tool, window_rows=4)
    users = [f"user-{number:02}" for number in range(20)]
    await segment.compute(users)
    await syncing.run(await syncing.connector(segment))
    assert [len(chunk.entered) for chunk in tool.chunks] == [3, 3, 3, 3, 3, 3, 2]
    assert [user for chunk in tool.chunks for user in chunk.entered] == users


async def test_the_position_moves_with_each_chunk(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    async def look(chunk: Chunk) -> None:
        row = await syncing.row(connector_id)
        seen.append((Position.of(row).through, row.user_count))

    seen: list[tuple[str, int]] = []
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    tool.before = look
    row = await syncing.run(connector_id)
    assert seen == [("", 0), ("b", 2), ("d", 4)]
    assert (row.user_count, row.sent_through, row.tried_through) == (5, None, None)


async def test_a_connector_that_is_gone_or_does_not_wait_is_left_alone(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    await syncing.syncer.run(syncing.tenant_id, connector_id)
    await syncing.connectors.remove(syncing.tenant_id, connector_id)
    await syncing.syncer.run(syncing.tenant_id, connector_id)
    assert tool.sent == ["+a"]

"""Connectors that are paused, deleted, or given another segment or another place while they are synced."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from services.connectors.destinations.interface import Chunk, Refused, TryLater
from services.connectors.sync_position import Position, State
from services.kit.postgres import Database
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.outside import Act, Tool
from tests.integration.connectors.syncing import Syncing


def once(on: str, action: Callable[[], Awaitable[object]]) -> Act:
    """Does something the first time a chunk holds a user."""
    done: list[str] = []

    async def act(chunk: Chunk) -> None:
        if on in (*chunk.entered, *chunk.exited) and not done:
            done.append(on)
            await action()

    return act


@pytest.fixture
async def other(database: Database, tenant_id: int) -> Segment:
    """Another segment of the tenant, of `c` to `h`."""
    other = await Segment.create(database, tenant_id)
    await other.compute("cdefgh")
    return other


async def test_a_pause_stops_a_sync_and_keeps_what_was_accepted(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcdefgh")
    connector_id = await syncing.connector(segment)
    tool.before = once("c", lambda: syncing.change(connector_id, status="inactive"))
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d"]
    assert (row.status, row.is_syncing, row.sent_through, row.user_count) == ("inactive", False, "d", 4)
    assert await syncing.logs(connector_id) == []
    await syncing.compute(segment, "abcdefghi")
    assert syncing.waiting.syncs == {}
    await syncing.change(connector_id, status="active")
    await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "+e +f", "+g +h", "+i"]


async def test_a_pause_and_its_end_during_one_chunk_change_nothing(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    async def toggle() -> None:
        await syncing.change(connector_id, status="inactive")
        await syncing.change(connector_id, status="active")

    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    tool.before = once("c", toggle)
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "+e"]
    assert (row.status, row.is_syncing) == ("active", False)


@pytest.mark.parametrize("error", [TryLater("Busy."), Refused("No.")])
async def test_a_paused_connector_does_not_fail(
    syncing: Syncing, segment: Segment, tool: Tool, error: Exception
) -> None:
    async def pause_and_fail() -> None:
        await syncing.change(connector_id, status="inactive")
        raise error

    await segment.compute("abc")
    connector_id = await syncing.connector(segment)
    tool.before = once("c", pause_and_fail)
    row = await syncing.run(connector_id)
    assert (row.status, row.last_error, row.is_syncing) == ("inactive", None, False)
    assert syncing.waiting.syncs == {}


async def test_a_paused_connector_is_synced_when_asked_for_and_stays_paused(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("abc")
    connector_id = await syncing.connector(segment)
    await syncing.change(connector_id, status="inactive")
    await syncing.connectors.request_sync(syncing.tenant_id, connector_id)
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c"]
    assert (row.status, row.is_syncing, row.sync_once) == ("inactive", False, False)
    await syncing.compute(segment, "abcd")
    assert syncing.waiting.syncs == {}
    tool.before = once("d", fail_for_good)
    await syncing.connectors.request_sync(syncing.tenant_id, connector_id)
    row = await syncing.run(connector_id)
    assert (row.status, row.last_error, row.is_syncing, row.sync_once) == ("inactive", "No.", False, False)


async def test_a_deleted_connector_is_not_synced_any_more(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcdefgh")
    connector_id = await syncing.connector(segment)
    tool.before = once("c", lambda: syncing.connectors.remove(syncing.tenant_id, connector_id))
    await syncing.syncer.run(syncing.tenant_id, connector_id)
    assert tool.sent == ["+a +b", "+c +d"]


async def test_another_segment_on_the_same_list_sends_what_differs(
    syncing: Syncing, segment: Segment, other: Segment, tool: Tool
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment, list_id="L")
    await syncing.run(connector_id)
    tool.chunks.clear()
    await syncing.change(connector_id, segment=other.id)
    row = await syncing.run(connector_id)
    assert tool.sent == ["-a -b", "+f +g", "+h"]
    assert tool.lists == {"L": set("cdefgh")}
    assert row.user_count == 6
    second = (await syncing.logs(connector_id))[1]
    assert (second.added, second.removed) == (3, 2)


async def test_another_segment_with_a_list_of_its_own_leaves_the_old_list_first(
    syncing: Syncing, segment: Segment, other: Segment, tool: Tool
) -> None:
    await segment.compute("abc")
    connector_id = await syncing.connector(segment)
    await syncing.run(connector_id)
    tool.chunks.clear()
    await syncing.change(connector_id, segment=other.id)
    row = await syncing.run(connector_id)
    assert tool.sent == ["-a -b", "-c", "+c +d", "+e +f", "+g +h"]
    assert tool.lists == {f"segment {segment.id}": set(), f"segment {other.id}": set("cdefgh")}
    assert (row.user_count, row.is_syncing) == (6, False)
    second = (await syncing.logs(connector_id))[1]
    assert (second.added, second.removed) == (6, 3)


@pytest.mark.parametrize("list_id", ["L", None])
async def test_a_sync_of_the_wrong_segment_is_taken_back_and_no_more_of_it_is_sent(
    syncing: Syncing, segment: Segment, other: Segment, tool: Tool, list_id: str | None
) -> None:
    await segment.compute("abcdefgh")
    config = {"list_id": list_id} if list_id else {}
    connector_id = await syncing.connector(segment, **config)
    tool.before = once("c", lambda: syncing.change(connector_id, segment=other.id))
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "-a -b", "-c -d", "-e -f", "-g -h", "+c +d", "+e +f", "+g +h"]
    assert tool.lists[list_id or f"segment {other.id}"] == set("cdefgh")
    assert tool.lists[list_id or f"segment {segment.id}"] in (set(), set("cdefgh"))
    assert Position.of(row) == Position(sent=State(segment_id=other.id, run_id=max(other.runs)))
    assert row.user_count == 6


async def test_only_who_may_have_been_sent_is_taken_back(
    database: Database, tenant_id: int, segment: Segment, other: Segment
) -> None:
    tool = Tool(chunk_users=1)
    syncing = Syncing(database, tenant_id, tool, window_rows=3)
    await segment.compute("abcdefgh")
    connector_id = await syncing.connector(segment, list_id="L")
    tool.before = once("b", lambda: syncing.change(connector_id, segment=other.id))
    await syncing.run(connector_id)
    assert tool.sent == ["+a", "+b", "-a", "-b", "-c", "+c", "+d", "+e", "+f", "+g", "+h"]


async def test_a_chunk_whose_answer_was_lost_is_taken_back_too(
    syncing: Syncing, segment: Segment, other: Segment, tool: Tool
) -> None:
    async def lose() -> None:
        raise TryLater("No answer.")

    await segment.compute("abcdefgh")
    connector_id = await syncing.connector(segment, list_id="L")
    tool.after = once("b", lose)
    await syncing.run(connector_id)
    await syncing.change(connector_id, segment=other.id)
    await syncing.run(connector_id)
    assert tool.lists["L"] == set("cdefgh")


async def test_a_segment_that_comes_back_while_it_is_taken_back_is_sent_again(
    syncing: Syncing, segment: Segment, other: Segment, tool: Tool
) -> None:
    async def go_back(chunk: Chunk) -> None:
        if "a" in chunk.exited:
            tool.after = None
            await syncing.change(connector_id, segment=segment.id)

    await segment.compute("abcd")
    connector_id = await syncing.connector(segment, list_id="L")
    tool.before = once("c", lambda: syncing.change(connector_id, segment=other.id))
    tool.after = go_back
    row = await syncing.run(connector_id)
    assert tool.lists["L"] == set("abcd")
    assert (row.sent_segment_id, row.user_count) == (segment.id, 4)


async def test_another_list_gets_all_users_and_the_old_one_stays(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment, list_id="L")
    changed = {"api_key": "***", "list_id": "M"}
    tool.before = once("c", lambda: syncing.change(connector_id, config=changed))
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "+a +b", "+c +d", "+e"]
    assert tool.lists == {"L": set("abcd"), "M": set("abcde")}
    assert row.user_count == 5


async def test_a_failure_before_a_change_is_not_held_against_the_connector(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    async def change_and_fail() -> None:
        await syncing.change(connector_id, config={"api_key": "***", "list_id": "M"})
        raise Refused("There is no such list.")

    await segment.compute("ab")
    connector_id = await syncing.connector(segment, list_id="L")
    tool.before = once("a", change_and_fail)
    row = await syncing.run(connector_id)
    assert (row.status, row.last_error, row.is_syncing) == ("active", None, False)
    assert tool.lists["M"] == set("ab")


async def test_a_waiting_connector_whose_segment_was_never_computed_keeps_its_users(
    database: Database, syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("ab")
    connector_id = await syncing.connector(segment, list_id="L")
    await syncing.run(connector_id)
    new = await Segment.create(database, syncing.tenant_id)
    await syncing.change(connector_id, segment=new.id)
    await syncing.run(connector_id)
    assert tool.lists["L"] == set("ab")
    await syncing.compute(new, "bc")
    await syncing.run(connector_id)
    assert tool.lists["L"] == set("bc")


async def test_a_pause_during_many_chunks_waits_for_those_under_way(
    database: Database, tenant_id: int, segment: Segment
) -> None:
    async def pause(chunk: Chunk) -> None:
        if chunk.entered == ["a"]:
            while len(tool.chunks) < 3:
                await asyncio.sleep(0)
            await syncing.change(connector_id, status="inactive")

    tool = Tool(chunk_users=1, parallel=3)
    tool.before = pause
    syncing = Syncing(database, tenant_id, tool)
    await segment.compute("abcdefgh")
    connector_id = await syncing.connector(segment)
    row = await syncing.run(connector_id)
    assert row.sent_through == "c"
    assert tool.sent == ["+a", "+b", "+c"]


async def fail_for_good() -> None:
    raise Refused("No.")

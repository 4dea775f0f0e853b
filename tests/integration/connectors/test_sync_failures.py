"""A sync that fails is tried again, resumes where it stopped, and says why; or ends when that is of no use."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.connectors.destinations.interface import Chunk, Refused, TryLater
from services.kit.postgres import Database
from tests.integration.connectors.ledger import Segment
from tests.integration.connectors.outside import SECRET, Act, Tool
from tests.integration.connectors.rows import set_row
from tests.integration.connectors.syncing import PATIENCE, Syncing


def failing(error: Exception, *, on: str = "") -> Act:
    """Fails with an error at the chunks that hold a user, or at all."""

    async def act(chunk: Chunk) -> None:
        if not on or on in (*chunk.entered, *chunk.exited):
            raise error

    return act


async def test_a_sync_resumes_behind_what_was_accepted(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcdef")
    connector_id = await syncing.connector(segment)
    tool.before = failing(TryLater("Busy."), on="c")
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d"]
    assert (row.status, row.last_error, row.is_syncing, row.attempts) == ("active", "Busy.", True, 1)
    tool.before = None
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "+c +d", "+e +f"]
    assert (row.status, row.last_error, row.is_syncing, row.attempts) == ("active", None, False, 0)


async def test_what_is_sent_again_has_the_same_id(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcdef")
    connector_id = await syncing.connector(segment)
    tool.after = failing(TryLater("No answer."), on="d")
    await syncing.run(connector_id)
    await syncing.compute(segment, "abcdefg")
    tool.after = None
    await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "+c +d", "+e +f", "+g"]
    assert tool.chunks[1] == tool.chunks[2]
    assert len({chunk.id for chunk in tool.chunks}) == 4


async def test_each_attempt_is_logged(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcde")
    connector_id = await syncing.connector(segment)
    for user in "ce":
        tool.before = failing(TryLater(f"Busy at {user}."), on=user)
        await syncing.run(connector_id)
    tool.before = None
    await syncing.run(connector_id)
    logs = await syncing.logs(connector_id)
    assert [(log.attempt, log.status, log.error_message) for log in logs] == [
        (1, "failed", "Busy at c."),
        (2, "failed", "Busy at e."),
        (3, "success", None),
    ]
    assert [(log.added, log.removed, log.user_count) for log in logs] == [(2, 0, 2), (2, 0, 4), (1, 0, 5)]


async def test_waits_grow_while_nothing_is_accepted(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcd")
    connector_id = await syncing.connector(segment)
    tool.before = failing(TryLater("Busy."))
    waits = []
    for _ in range(12):
        await syncing.run(connector_id)
        waits.append(syncing.waiting.syncs[connector_id])
        syncing.clock.now += timedelta(seconds=waits[-1])
    assert PATIENCE.first.total_seconds() / 2 <= waits[0] <= PATIENCE.first.total_seconds()
    assert PATIENCE.longest.total_seconds() / 2 <= waits[-1] <= PATIENCE.longest.total_seconds()
    assert waits[-1] > waits[5] > waits[0]
    tool.before = failing(TryLater("Busy."), on="c")
    await syncing.run(connector_id)
    assert syncing.waiting.syncs[connector_id] <= PATIENCE.first.total_seconds()


@pytest.mark.parametrize(("asked", "least"), [(0.0, 2.5), (90.0, 90.0), (1e12, 86_400.0)])
async def test_a_destination_is_left_alone_as_long_as_it_asks(
    syncing: Syncing, segment: Segment, tool: Tool, asked: float, least: float
) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    tool.before = failing(TryLater("Slow down.", seconds=asked))
    await syncing.run(connector_id)
    assert least <= syncing.waiting.syncs[connector_id] <= max(least, 5.0)


async def test_a_compute_does_not_hurry_a_sync_that_waits(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    tool.before = failing(TryLater("Slow down.", seconds=90))
    await syncing.run(connector_id)
    await syncing.compute(segment, "ab")
    assert syncing.waiting.syncs == {connector_id: 90}
    tool.before = None
    row = await syncing.run(connector_id)
    assert (tool.sent, row.sent_run) == (["+a", "+a", "+b"], max(segment.runs))


async def test_an_owner_who_asks_for_it_hurries_a_sync_that_waits(
    syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    tool.before = failing(TryLater("Slow down.", seconds=90))
    await syncing.run(connector_id)
    await syncing.connectors.request_sync(syncing.tenant_id, connector_id)
    assert syncing.waiting.syncs == {connector_id: 0}


async def test_a_sync_that_fails_for_a_day_is_given_up(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("ab")
    connector_id = await syncing.connector(segment)
    tool.before = failing(TryLater("Away."))
    await syncing.run(connector_id)
    syncing.clock.now += timedelta(hours=23)
    assert (await syncing.run(connector_id)).status == "active"
    syncing.clock.now += timedelta(hours=1)
    row = await syncing.run(connector_id)
    assert (row.status, row.last_error, row.is_syncing) == ("error", "Away.", False)
    assert syncing.waiting.syncs == {}
    assert [log.status for log in await syncing.logs(connector_id)] == ["failed"] * 3


async def test_a_day_begins_anew_with_each_chunk_accepted(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcd")
    connector_id = await syncing.connector(segment)
    for user in "acc":
        tool.before = failing(TryLater("Away."), on=user)
        row = await syncing.run(connector_id)
        assert row.status == "active"
        syncing.clock.now += timedelta(hours=20)


async def test_a_refusal_ends_the_sync_at_once(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    await segment.compute("abcd")
    connector_id = await syncing.connector(segment)
    tool.before = failing(Refused("The key is wrong."), on="c")
    row = await syncing.run(connector_id)
    assert (row.status, row.last_error, row.is_syncing) == ("error", "The key is wrong.", False)
    await syncing.compute(segment, "abcde")
    assert syncing.waiting.syncs == {}


@pytest.mark.parametrize("by", ["status", "sync"])
async def test_a_connector_in_error_goes_on_when_its_owner_says_so(
    syncing: Syncing, segment: Segment, tool: Tool, by: str
) -> None:
    await segment.compute("abcd")
    connector_id = await syncing.connector(segment)
    tool.before = failing(Refused("The key is wrong."), on="c")
    await syncing.run(connector_id)
    tool.before = None
    if by == "status":
        await syncing.change(connector_id, status="active")
    else:
        await syncing.connectors.request_sync(syncing.tenant_id, connector_id)
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c +d", "+c +d"]
    assert (row.status, row.last_error, row.is_syncing) == ("active", None, False)


async def test_what_nobody_expected_is_tried_again_and_not_shown(
    syncing: Syncing, segment: Segment, tool: Tool, caplog: pytest.LogCaptureFixture
) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    tool.before = failing(ZeroDivisionError("an inner secret"))
    row = await syncing.run(connector_id)
    assert (row.status, row.last_error) == ("active", "The sync failed unexpectedly.")
    assert connector_id in syncing.waiting.syncs
    assert "an inner secret" in caplog.text
    assert "Traceback" in caplog.text


async def test_texts_of_destinations_are_short_and_hold_no_secrets(
    syncing: Syncing, segment: Segment, tool: Tool, caplog: pytest.LogCaptureFixture
) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    tool.before = failing(Refused(f"Bad\r\nkey\x00: {SECRET} {'x' * 1000}"))
    row = await syncing.run(connector_id)
    assert row.last_error.startswith("Bad key : *** xxx")
    assert len(row.last_error) == 500
    [log] = await syncing.logs(connector_id)
    assert log.error_message == row.last_error
    assert SECRET not in caplog.text


async def test_secrets_that_cannot_be_read_any_more_end_the_sync(
    database: Database, syncing: Syncing, segment: Segment, tool: Tool
) -> None:
    await segment.compute("a")
    connector_id = await syncing.connector(segment)
    await set_row(database, syncing.tenant_id, connector_id, secrets=b"of another key")
    row = await syncing.run(connector_id)
    assert row.status == "error"
    assert row.last_error == "The stored secrets cannot be read any more; send the configuration again."


async def test_a_sync_that_cannot_be_ended_sends_nothing_twice(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    async def fail() -> None:
        raise TryLater("Not yet.")

    await segment.compute("abc")
    connector_id = await syncing.connector(segment)
    tool.finishing = fail
    row = await syncing.run(connector_id)
    assert (row.last_error, row.sent_run) == ("Not yet.", 0)
    tool.finishing = None
    row = await syncing.run(connector_id)
    assert tool.sent == ["+a +b", "+c"]
    assert (row.sent_run, row.last_error) == (max(segment.runs), None)


async def test_as_many_chunks_are_under_way_as_the_destination_takes(
    database: Database, tenant_id: int, segment: Segment
) -> None:
    async def wait(chunk: Chunk) -> None:
        under_way.append(chunk.entered[0])
        most.append(len(under_way))
        await until(lambda: len(under_way) == 3 or len(tool.chunks) == 7)
        await asyncio.sleep(0)
        under_way.remove(chunk.entered[0])

    under_way: list[str] = []
    most: list[int] = []
    tool = Tool(chunk_users=1, parallel=3)
    tool.before = wait
    syncing = Syncing(database, tenant_id, tool)
    await segment.compute("abcdefg")
    row = await syncing.run(await syncing.connector(segment))
    assert max(most) == 3
    assert tool.lists == {f"segment {segment.id}": set("abcdefg")}
    assert row.user_count == 7


async def test_the_position_stays_before_a_chunk_that_failed_also_when_later_ones_were_accepted(
    database: Database, tenant_id: int, segment: Segment
) -> None:
    async def act(chunk: Chunk) -> None:
        if chunk.entered == ["b"]:
            await until(lambda: len(tool.lists[name]) == 2)
            raise TryLater("Busy.")

    tool = Tool(chunk_users=1, parallel=3)
    tool.before = act
    syncing, name = Syncing(database, tenant_id, tool), f"segment {segment.id}"
    await segment.compute("abcdefg")
    connector_id = await syncing.connector(segment)
    row = await syncing.run(connector_id)
    assert (row.sent_through, row.user_count) == ("a", 1)
    assert sorted(tool.sent) == ["+a", "+b", "+c", "+d"]
    tool.before = None
    await syncing.compute(segment, "abefg")
    row = await syncing.run(connector_id)
    assert tool.lists[name] == set("abefg")
    assert row.user_count == 5


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("user", "acg")
async def test_a_sync_that_is_killed_goes_on_where_it_was(
    database: Database, tenant_id: int, segment: Segment, user: str, taken: bool
) -> None:
    async def hang(chunk: Chunk) -> None:
        if user in chunk.entered:
            reached.set()
            await asyncio.Event().wait()

    reached = asyncio.Event()
    tool = Tool(chunk_users=1, parallel=2)
    tool.before, tool.after = (None, hang) if taken else (hang, None)
    syncing = Syncing(database, tenant_id, tool)
    await segment.compute("abcdefg")
    connector_id = await syncing.connector(segment)
    running = asyncio.create_task(syncing.run(connector_id))
    await reached.wait()
    running.cancel()
    await asyncio.wait([running])
    through = (await syncing.row(connector_id)).sent_through
    before = [chunk for chunk in tool.chunks if chunk.entered[0] > through]
    tool.before = tool.after = None
    tool.chunks.clear()
    await syncing.syncer.run(tenant_id, connector_id)
    assert [chunk.entered[0] for chunk in tool.chunks] == [one for one in "abcdefg" if one > through]
    assert tool.chunks[: len(before)] == before
    assert (await syncing.row(connector_id)).user_count == 7


async def test_two_runs_of_one_sync_do_not_undo_each_other(syncing: Syncing, segment: Segment, tool: Tool) -> None:
    async def run_another(chunk: Chunk) -> None:
        tool.before = None
        await syncing.syncer.run(syncing.tenant_id, connector_id)
        await syncing.compute(segment, "b")

    await segment.compute("abcd")
    connector_id = await syncing.connector(segment)
    tool.before = run_another
    row = await syncing.run(connector_id)
    assert row.sent_run == max(segment.runs)
    assert tool.lists[f"segment {segment.id}"] == {"b"}
    assert row.user_count == 1


async def test_a_long_sync_makes_way_for_others(database: Database, tenant_id: int, segment: Segment) -> None:
    async def take_long(chunk: Chunk) -> None:
        syncing.clock.now += timedelta(seconds=40)

    tool = Tool()
    tool.before = take_long
    syncing = Syncing(database, tenant_id, tool)
    await segment.compute("abcdefghij")
    connector_id = await syncing.connector(segment)
    turns = 0
    while syncing.waiting.syncs:
        row = await syncing.run(connector_id)
        turns += 1
        assert row.is_syncing == bool(syncing.waiting.syncs)
    assert turns == 3
    assert len(tool.sent) == 5
    [log] = await syncing.logs(connector_id)
    assert (log.added, log.attempt) == (10, 1)


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition is true."""
    while not condition():
        await asyncio.sleep(0)

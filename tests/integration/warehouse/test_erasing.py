"""A user who was erased is in no table and in no message of the log; others are as before, also after a replay."""

import asyncio
import shutil
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from services.gen.segops.warehouse.v1 import erasure_pb2 as erasure
from services.gen.segops.warehouse.v1 import erasure_pb2_grpc
from services.gen.segops.warehouse.v1 import warehouse_pb2 as pb
from services.kit.channel import connect
from services.kit.eventlog import DEDUP_HEADER, STREAM, EventLog
from tests.integration.warehouse.processes import NATS, WAREHOUSE, Processes, Warehouse
from tests.integration.warehouse.rows import Event, derived_id, payload, rows
from tests.integration.warehouse.test_replay import accounts, replay

TENANT, OTHER = 1, 2
GONE, STAYS = f"gone-{uuid.uuid4().hex}", "stays"
# Backslashes are escaped in rows.
ALIAS = f"anon_\\{uuid.uuid4().hex}"
NOW = datetime.now(UTC)


@pytest.fixture
async def own(processes: Processes) -> AsyncIterator[Warehouse]:
    """A warehouse of the test's own with small blocks."""
    processes.start(NATS)
    processes.start(WAREHOUSE, SEGOPS_WAREHOUSE_BLOCK_ROWS="10")
    own = Warehouse(processes.settings, await EventLog.connect(processes.settings))
    yield own
    await own.close()


class Eraser:
    """The warehouse as whoever erases calls it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._stub = erasure_pb2_grpc.ErasureServiceStub(connect(warehouse.settings, "warehouse"))

    async def block(self, *users: str, until: datetime = NOW) -> None:
        request = erasure.BlockUsersRequest(user_ids=users)
        request.until.FromDatetime(until)
        await self._call(self._stub.BlockUsers, request)

    async def erase(self, *users: str) -> dict[str, int]:
        answers = [
            await self._call(self._stub.EraseRows, erasure.EraseRowsRequest(user_ids=users)),
            await self._call(self._stub.EraseLog, erasure.EraseLogRequest(user_ids=users)),
        ]
        return {one.store: one.erased for answer in answers for one in answer.stores if one.erased}

    async def release(self, *users: str) -> None:
        await self._call(self._stub.ReleaseUsers, erasure.ReleaseUsersRequest(user_ids=users))

    async def _call(self, method: Any, request: Any) -> Any:
        return await method(request, metadata=self._warehouse.metadata(TENANT), timeout=30, wait_for_ready=True)


@pytest.fixture
def eraser(own: Warehouse) -> Eraser:
    return Eraser(own)


def events(*users: str, at: datetime = NOW - timedelta(minutes=1), kind: str = "bought") -> Iterator[Event]:
    """An event of each user."""
    for user in users:
        yield Event(user_id=user, event_type=kind, occurred_at=at, received_at=at, payload=payload(of=user))


async def send(own: Warehouse, *messages: list[Event], tenant: int = TENANT) -> int:
    """Sends messages and returns the last sequence when they are loaded."""
    sequence = 0
    for message in messages:
        sequence = await own.log.append(tenant, rows(tenant, *message))
    await own.loaded(sequence)
    return sequence


async def stored(own: Warehouse, user: str, tenant: int = TENANT) -> Counter[str]:
    """The ids of a user's events."""
    request = pb.ListUserEventsRequest(user_ids=[user], limit=1000)
    page = await own.stub.ListUserEvents(request, metadata=own.metadata(tenant))
    return Counter(event.event_id for event in page.events)


async def users(own: Warehouse) -> set[str]:
    found = await own.stub.SearchUsers(pb.SearchUsersRequest(limit=50), metadata=own.metadata(TENANT))
    return {user.user_id for user in found.users}


def on_disk(processes: Processes) -> str:
    """All that the event log has in its files."""
    files = (processes.settings.home / "nats").rglob("*.blk")
    return "".join(path.read_bytes().decode(errors="replace") for path in files)


async def some_traffic(own: Warehouse) -> int:
    both = [*events(GONE, ALIAS, STAYS)]
    repeated = derived_id(TENANT, "once")
    await send(own, both, [*events(STAYS)], [*events(GONE)], [*events(GONE, STAYS, kind="context_identified")])
    again = [Event(user_id=user, event_id=repeated, occurred_at=NOW, received_at=NOW) for user in (STAYS, GONE)]
    for _ in range(2):
        await own.loaded(await own.log.append(TENANT, rows(TENANT, *again), {DEDUP_HEADER: "1"}))
    await send(own, [*events(GONE)], tenant=OTHER)
    return await send(own, [*events(GONE)])


async def test_nothing_is_left_and_others_are_as_before_also_in_a_new_warehouse(
    processes: Processes, own: Warehouse, eraser: Eraser
) -> None:
    await some_traffic(own)
    before, counted = await stored(own, STAYS), sum((await accounts(own, own.metadata(TENANT))).values())
    assert GONE in on_disk(processes)
    await eraser.block(GONE, ALIAS)
    found = await eraser.erase(GONE, ALIAS)
    assert found == {"events": 5, "users": found["users"], "user_props": 1, "event_log": 7}
    assert await eraser.erase(GONE, ALIAS) == {}
    assert await users(own) == {STAYS}
    assert await stored(own, STAYS) == before
    # What another tenant has of the same name stays.
    assert len(await stored(own, GONE, OTHER)) == 1
    assert GONE not in "".join(line for line in on_disk(processes).splitlines() if line.startswith(f"{TENANT}\t"))
    assert ALIAS.replace("\\", "\\\\") not in on_disk(processes)

    processes.end(WAREHOUSE)
    shutil.rmtree(processes.settings.home / "warehouse")
    shutil.rmtree(processes.settings.home / "warehouse-ids")
    processes.start(WAREHOUSE, SEGOPS_WAREHOUSE_BLOCK_ROWS="10")
    await own.loaded(await own.log.append(TENANT, b""))
    await replay(own)
    assert await users(own) == {STAYS}
    assert await stored(own, STAYS) == before
    assert sum((await accounts(own, own.metadata(TENANT))).values()) == counted


async def test_what_is_in_the_log_or_comes_late_is_dropped_and_what_happens_later_is_stored(
    own: Warehouse, eraser: Eraser
) -> None:
    await send(own, [*events(GONE, STAYS)])
    await eraser.block(GONE)
    await send(own, [*events(GONE, STAYS)], [*events(GONE, at=datetime.now(UTC) + timedelta(hours=1))])
    assert set(await eraser.erase(GONE)) == {"events", "users", "event_log"}
    assert await users(own) == {STAYS}
    await eraser.release(GONE)
    await send(own, [*events(GONE, STAYS)])
    assert await stored(own, GONE) == Counter()
    later = datetime.now(UTC) + timedelta(seconds=1)
    await send(own, [*events(GONE, at=later)])
    assert len(await stored(own, GONE)) == 1
    assert (await accounts(own, own.metadata(TENANT)))["bought skipped"] == 3


async def test_the_last_block_is_settled_when_all_of_it_was_rewritten(
    processes: Processes, own: Warehouse, eraser: Eraser
) -> None:
    await send(own, [*events(GONE, STAYS)])
    before = await stored(own, STAYS)
    await eraser.block(GONE)
    await eraser.erase(GONE)
    for _ in range(2):
        processes.end(WAREHOUSE)
        processes.start(WAREHOUSE, SEGOPS_WAREHOUSE_BLOCK_ROWS="10")
        await own.loaded((await own.log.jetstream.stream_info(STREAM)).state.last_seq)
        assert await stored(own, STAYS) == before
        assert await users(own) == {STAYS}


async def test_an_erasure_of_the_log_that_is_killed_loses_nobody(
    processes: Processes, own: Warehouse, eraser: Eraser
) -> None:
    await send(own, *([*events(GONE, STAYS)] for _ in range(200)))
    before = await stored(own, STAYS)
    await eraser.block(GONE)
    erasing = asyncio.create_task(eraser.erase(GONE))
    async with asyncio.timeout(30):
        while (await own.log.jetstream.stream_info(STREAM)).state.messages > 180:
            await asyncio.sleep(0.01)
    processes.end(WAREHOUSE, signal.SIGKILL)
    with pytest.raises(grpc.aio.AioRpcError):
        await erasing
    shutil.rmtree(processes.settings.home / "warehouse")
    processes.start(WAREHOUSE, SEGOPS_WAREHOUSE_BLOCK_ROWS="10")
    await own.loaded(await own.log.append(TENANT, b""))
    await replay(own)
    assert await stored(own, STAYS) == before
    await eraser.erase(GONE)
    assert await users(own) == {STAYS}
    assert GONE not in on_disk(processes)


async def test_a_log_of_which_almost_all_was_rewritten_is_read_like_any_other(
    processes: Processes, own: Warehouse, eraser: Eraser
) -> None:
    text = payload(text="x" * 30_000)
    # More than is read ahead.
    await send(own, *([*events(GONE), *(Event(user_id=STAYS, payload=text) for _ in range(30))] for _ in range(30)))
    await eraser.block(GONE)
    assert (await eraser.erase(GONE))["event_log"] == 30
    processes.end(WAREHOUSE)
    shutil.rmtree(processes.settings.home / "warehouse")
    processes.start(WAREHOUSE, SEGOPS_WAREHOUSE_BLOCK_ROWS="10")
    await own.loaded(await own.log.append(TENANT, b""))
    await replay(own)
    profile = await own.stub.GetUser(pb.GetUserRequest(user_ids=[STAYS]), metadata=own.metadata(TENANT))
    assert profile.event_count == 30 * 30


async def test_a_second_erasure_takes_its_user_out_of_what_was_rewritten(
    processes: Processes, own: Warehouse, eraser: Eraser
) -> None:
    await send(own, [*events(GONE, ALIAS, STAYS)])
    for user in (GONE, ALIAS):
        await eraser.block(user)
        assert (await eraser.erase(user))["event_log"] == 1
        assert user.replace("\\", "\\\\") not in on_disk(processes)
    assert STAYS in on_disk(processes)


async def test_dead_letters_keep_what_others_sent(processes: Processes, own: Warehouse, eraser: Eraser) -> None:
    broken = rows(TENANT, *events(GONE, STAYS)) + b"\xff\n"
    await own.loaded(await own.log.append(TENANT, broken))
    await eraser.block(GONE)
    assert await eraser.erase(GONE) == {"event_log": 1, "dead_letters": 1}
    assert GONE not in on_disk(processes)
    letter = await own.log.jetstream.get_last_msg("EVENTS_DEAD", f"dead.{TENANT}")
    assert STAYS.encode() in (letter.data or b"")


async def test_erasures_of_one_moment_share_the_work(own: Warehouse, eraser: Eraser) -> None:
    names = [f"user-{index}" for index in range(20)]
    await send(own, [*events(*names, STAYS)])
    await asyncio.gather(*(eraser.block(name) for name in names))
    found = await asyncio.gather(*(eraser.erase(name) for name in names))
    assert [each["events"] for each in found] == [1] * len(names)
    assert await users(own) == {STAYS}

"""Which requests share a write, and what each of them is told."""

import asyncio
from collections.abc import Sequence

import pytest

from services.ingestion import grouping
from services.ingestion.grouping import GroupCommit
from services.ingestion.rows import Rows
from services.kit.errors import TooLarge, Unavailable

NOON = "2026-04-25 12:00:00.000"


def rows(text: str, *, received_at: str = NOON, skipped: int = 0) -> Rows:
    return Rows(text=f"{text}\n".encode(), count=1, received_at=received_at, derived_ids=[text], skipped={"t": skipped})


class Disk:
    """A storage that takes its time: a write ends when it is told so."""

    def __init__(self) -> None:
        self.writes: list[tuple[int, Rows]] = []
        self._ends: list[asyncio.Future[None]] = []

    async def store(self, tenant_id: int, rows: Rows) -> None:
        self.writes.append((tenant_id, rows))
        self._ends.append(asyncio.get_running_loop().create_future())
        await self._ends[-1]

    def texts(self) -> list[bytes]:
        return [rows.text for _, rows in self.writes]

    async def end(self, write: int, error: Exception | None = None) -> None:
        """Ends a write, and lets everybody hear of it."""
        if error:
            self._ends[write].set_exception(error)
        else:
            self._ends[write].set_result(None)
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def begin(group_commit: GroupCommit, requests: Sequence[tuple[int, Rows]]) -> "list[asyncio.Task[None]]":
    """Sends requests one after the other, none of which waits for another."""
    tasks = []
    for tenant_id, sent in requests:
        tasks.append(asyncio.create_task(group_commit.store(tenant_id, sent)))
        await settled()
    return tasks


async def test_a_request_alone_is_written_at_once_and_those_behind_it_together() -> None:
    disk = Disk()
    tasks = await begin(GroupCommit(disk, gather_seconds=0), [(1, rows(text, skipped=1)) for text in "abc"])
    assert disk.texts() == [b"a\n"]
    await disk.end(0)
    assert [task.done() for task in tasks] == [True, False, False]
    together = disk.writes[1][1]
    assert (together.text, together.count, together.derived_ids) == (b"b\nc\n", 2, ["b", "c"])
    assert together.skipped == {"t": 2}
    await disk.end(1)
    await asyncio.gather(*tasks)


async def test_tenants_and_hours_do_not_share_a_write() -> None:
    disk = Disk()
    later = rows("c", received_at="2026-04-25 13:00:00.000")
    tasks = await begin(GroupCommit(disk, gather_seconds=0), [(1, rows("a")), (2, rows("b")), (1, later)])
    assert disk.texts() == [b"a\n", b"b\n", b"c\n"]
    for write in range(3):
        await disk.end(write)
    await asyncio.gather(*tasks)


async def test_a_failed_write_refuses_its_group_and_those_who_wait_and_the_next_one_is_tried() -> None:
    disk = Disk()
    group_commit = GroupCommit(disk, gather_seconds=0)
    tasks = await begin(group_commit, [(1, rows(text)) for text in "abc"])
    await disk.end(0, Unavailable())
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    (task,) = await begin(group_commit, [(1, rows("d"))])
    assert disk.texts() == [b"a\n", b"d\n"]
    await disk.end(1)
    await task


async def test_a_request_nobody_waits_for_any_more_is_not_written() -> None:
    disk = Disk()
    tasks = await begin(GroupCommit(disk, gather_seconds=0), [(1, rows(text)) for text in "abc"])
    tasks[1].cancel()
    await settled()
    await disk.end(0)
    assert disk.texts() == [b"a\n", b"c\n"]
    await disk.end(1)
    await asyncio.gather(tasks[0], tasks[2])


async def test_a_request_whose_sender_left_during_the_write_does_not_disturb_the_others() -> None:
    disk = Disk()
    tasks = await begin(GroupCommit(disk, gather_seconds=0), [(1, rows(text)) for text in "abc"])
    await disk.end(0)
    tasks[1].cancel()
    await settled()
    await disk.end(1)
    await tasks[2]


async def test_a_group_stops_at_its_limit_and_one_larger_request_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_BYTES", 4)
    disk = Disk()
    requests = [(1, rows(text)) for text in ("a", "larger", "b", "c", "d")]
    tasks = await begin(GroupCommit(disk, gather_seconds=0), requests)
    for write in range(3):
        await disk.end(write)
    assert disk.texts() == [b"a\n", b"larger\n", b"b\nc\n", b"d\n"]
    await disk.end(3, TooLarge())
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None)] * 4 + [TooLarge]

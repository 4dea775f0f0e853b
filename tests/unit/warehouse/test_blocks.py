import asyncio
import time
from collections import deque
from datetime import UTC, datetime

import pytest

from services.warehouse.loading.blocks import Block, BlockReader
from services.warehouse.loading.messages import Message
from services.warehouse.loading.positions import Intent, reading_start
from services.warehouse.settings import MIB, WarehouseSettings


def message(sequence: int, rows: bytes = b"r\n", read_at: float | None = None) -> Message:
    return Message(
        sequence=sequence,
        subject="events.1",
        published_at=datetime(2026, 4, 25, tzinfo=UTC),
        read_at=time.monotonic() if read_at is None else read_at,
        rows=rows,
    )


class Buffer:
    """What was read ahead, and nothing that follows unless the test adds it."""

    def __init__(self, *messages: Message) -> None:
        self._messages = deque(messages)
        self._added = asyncio.Event()

    def add(self, message: Message) -> None:
        self._messages.append(message)
        self._added.set()

    async def oldest(self) -> Message:
        while not self._messages:
            await self.wait_for_more()
        return self._messages[0]

    async def wait_for_more(self) -> None:
        self._added.clear()
        await self._added.wait()

    def ahead(self) -> int:
        return len(self._messages)

    def pop(self) -> Message:
        return self._messages.popleft()


def sequences(block: Block) -> list[int]:
    return [m.sequence for m in block.messages]


def test_every_row_gets_the_sequence_of_the_first_message() -> None:
    block = Block.of([message(70, b"a\tb\nc\td\n"), message(71, b"e\tf\n")])
    assert block.rows == b"a\tb\t70\nc\td\t70\ne\tf\t70\n"
    assert (block.batch_id, block.token, block.count) == (70, "70-71", 3)


def test_a_block_keeps_its_range_when_messages_are_taken_out() -> None:
    block = Block.of([message(70), message(71), message(72)])
    rest = block.having([message(71)])
    assert (rest.batch_id, rest.token, rest.count) == (70, "70-72", 1)


async def test_a_full_block_is_closed_at_once_and_the_rest_is_for_the_next() -> None:
    reader = BlockReader(Buffer(*(message(n, b"r\n" * 10) for n in range(1, 6))), WarehouseSettings(block_rows=20))
    assert sequences(await reader.next()) == [1, 2]
    assert sequences(await reader.next()) == [3, 4]


async def test_a_block_closes_before_it_takes_more_than_its_bytes() -> None:
    big = b"x" * MIB + b"\n"
    reader = BlockReader(Buffer(*(message(n, big) for n in range(1, 6))), WarehouseSettings(block_mib=2))
    assert sequences(await reader.next()) == [1, 2]


async def test_a_message_larger_than_a_block_is_a_block() -> None:
    reader = BlockReader(Buffer(message(1, b"r\n" * 50), message(2)), WarehouseSettings(block_rows=20))
    assert sequences(await reader.next()) == [1]


async def test_what_waited_for_the_linger_already_is_closed_without_waiting_more() -> None:
    own = WarehouseSettings(linger_seconds=5)
    reader = BlockReader(Buffer(message(1, read_at=time.monotonic() - 6), message(2)), own)
    block = await asyncio.wait_for(reader.next(), 1)
    assert sequences(block) == [1, 2]


async def test_messages_that_come_within_the_linger_are_taken_too() -> None:
    buffer = Buffer(message(1))
    next_block = asyncio.create_task(BlockReader(buffer, WarehouseSettings(linger_seconds=0.3)).next())
    await asyncio.sleep(0)
    buffer.add(message(2))
    assert sequences(await next_block) == [1, 2]


async def test_the_block_in_doubt_is_read_up_to_its_last_message_and_no_further() -> None:
    reader = BlockReader(Buffer(*(message(n) for n in range(5, 9))), WarehouseSettings())
    assert [m.sequence for m in await reader.through(6)] == [5, 6]
    assert sequences(await reader.next()) == [7, 8]


async def test_messages_of_the_block_in_doubt_that_are_gone_are_not_waited_for() -> None:
    reader = BlockReader(Buffer(message(5), message(9)), WarehouseSettings())
    assert [m.sequence for m in await reader.through(6)] == [5]


@pytest.mark.parametrize(
    ("intent", "oldest", "start"),
    [
        (None, 100, 100),
        (Intent(first_seq=150, last_seq=160, rows=1), 100, 150),
        (Intent(first_seq=150, last_seq=160, rows=1), 150, 150),
        # Part or all of the block in doubt has left the log.
        (Intent(first_seq=150, last_seq=160, rows=1), 155, 161),
        (Intent(first_seq=150, last_seq=160, rows=1), 170, 170),
    ],
)
def test_reading_starts_at_the_block_in_doubt(intent: Intent | None, oldest: int, start: int) -> None:
    assert reading_start(intent, oldest) == start

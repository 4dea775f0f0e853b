"""Reading a range of the event log, block by block."""

from collections.abc import AsyncIterator

from services.kit.eventlog import EventLog
from services.warehouse.loading.blocks import Block, OpenBlock
from services.warehouse.loading.messages import Message
from services.warehouse.loading.reader import LogReader
from services.warehouse.settings import WarehouseSettings


async def through(log: EventLog, own: WarehouseSettings, first: int, last: int) -> AsyncIterator[Block]:
    """The blocks from one sequence to another, each full or the last one. Raises LogLost."""
    if last < first:
        return
    reader = await LogReader.open(log, first)
    try:
        read = first - 1
        while read < last:
            block = await next_block(reader, own, read, last)
            yield block
            read = block.last
    finally:
        await reader.close()


async def next_block(reader: LogReader, own: WarehouseSettings, read: int, last: int) -> Block:
    """The next block of those up to `last`, full or the last one; `read` is the sequence read before."""
    upto = UpTo(reader, read, last)
    block = OpenBlock(own)
    while not block.full and upto.read < last:
        await reader.oldest()
        block.fill(upto)
    return Block.of(block.messages)


class UpTo:
    """What was read ahead, as far as it belongs to a range."""

    def __init__(self, reader: LogReader, read: int, last: int) -> None:
        self._reader = reader
        self._last = last
        self.read = read

    def ahead(self) -> int:
        """How many messages can be taken at once."""
        return min(self._reader.ahead(), self._last - self.read)

    def pop(self) -> Message:
        """Takes the oldest one."""
        message = self._reader.pop()
        self.read = message.sequence
        return message

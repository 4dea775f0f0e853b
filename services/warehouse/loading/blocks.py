"""Blocks: consecutive whole messages that are inserted together."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from services.warehouse.loading.messages import Message
from services.warehouse.settings import MIB, WarehouseSettings


@dataclass(frozen=True)
class Block:
    """Messages in the order of the log; `first` and `last` stay when rows or messages are taken out."""

    first: int
    last: int
    messages: tuple[Message, ...]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> "Block":
        """A block of at least one message."""
        return cls(messages[0].sequence, messages[-1].sequence, tuple(messages))

    def having(self, messages: Iterable[Message]) -> "Block":
        """The same range of the log with other messages in it."""
        return replace(self, messages=tuple(messages))

    @property
    def batch_id(self) -> int:
        """What every row of the block is marked with: the log never gives a sequence out twice."""
        return self.first

    @property
    def token(self) -> str:
        """What the warehouse knows a block by that it was given before."""
        return f"{self.first}-{self.last}"

    @cached_property
    def count(self) -> int:
        """How many rows there are."""
        return sum(message.count for message in self.messages)

    @cached_property
    def rows(self) -> bytes:
        """The rows as the warehouse stores them, in tab-separated text."""
        mark = b"\t%d\n" % self.batch_id
        return b"".join(message.rows for message in self.messages).replace(b"\n", mark)


class Ahead(Protocol):
    """What was read of the log and not taken yet."""

    def ahead(self) -> int: ...
    def pop(self) -> Message: ...


class ReadAhead(Ahead, Protocol):
    """The log, as `LogReader` reads it."""

    async def oldest(self) -> Message: ...
    async def wait_for_more(self) -> None: ...


class BlockReader:
    """Cuts the log into blocks."""

    def __init__(self, log: ReadAhead, own: WarehouseSettings) -> None:
        self._log = log
        self._own = own

    async def next(self) -> Block:
        """The next block: closed when it is full, or the linger after its first message was read. Raises LogLost."""
        closes = (await self._log.oldest()).read_at + self._own.linger_seconds
        open_block = OpenBlock(self._own)
        open_block.fill(self._log)
        while not open_block.full and (left := closes - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._log.wait_for_more()
            open_block.fill(self._log)
        return Block.of(open_block.messages)

    async def through(self, last: int) -> list[Message]:
        """The messages up to sequence `last`. Raises LogLost."""
        messages: list[Message] = []
        while (await self._log.oldest()).sequence <= last:
            messages.append(self._log.pop())
            if messages[-1].sequence == last:
                break
        return messages


class OpenBlock:
    """A block that still takes messages."""

    def __init__(self, own: WarehouseSettings) -> None:
        self._own = own
        self._rows = self._bytes = 0
        self.messages: list[Message] = []

    @property
    def full(self) -> bool:
        """Whether the next message belongs to the next block."""
        return self._rows >= self._own.block_rows or self._bytes >= self._own.block_mib * MIB

    def fill(self, log: Ahead) -> None:
        """Takes what was read ahead until the block is full."""
        while log.ahead() and not self.full:
            message = log.pop()
            self.messages.append(message)
            self._rows += message.count
            self._bytes += message.size

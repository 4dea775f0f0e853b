"""Loading a part of the log again that the warehouse has lost, while the loader goes on with new events.

It takes the loader's way for each block: drop repeated rows, write an intent of its own, store. So it may be killed and
given again: it settles the block in doubt and goes on. Which rows are repeated comes out as before, because messages
are looked at in the order of the log, from a day before the range; those that the loader took meanwhile count too.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from nats.errors import Error as NatsError

from services.kit.errors import Conflict, Unavailable
from services.warehouse.engine import Engine
from services.warehouse.loading import inserts
from services.warehouse.loading.blocks import Block, BlockReader
from services.warehouse.loading.duplicates import REMEMBERED
from services.warehouse.loading.loader import Loader
from services.warehouse.loading.messages import Message
from services.warehouse.loading.positions import REPLAY, Intent, Positions, reading_start
from services.warehouse.loading.reader import LogLost, LogReader
from services.warehouse.loading.reading import next_block, through
from services.warehouse.loading.replay_range import Log, Times, asked_for, block_of, event_ids, missing
from services.warehouse.settings import WarehouseSettings


class Running(Conflict):
    """A replay is running already."""


class Interrupted(Conflict):
    """A replay was interrupted. Finish it first: `segopsctl events replay` goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a replay is: the last message loaded and to load, messages in all and read, and events stored."""

    sequence: int
    last_sequence: int
    messages: int
    messages_read: int = 0
    events_stored: int = 0

    def after(self, block: Block) -> "Progress":
        """When a block more is loaded."""
        return replace(
            self,
            sequence=block.last,
            messages_read=self.messages - (self.last_sequence - block.last),
            events_stored=self.events_stored + block.count,
        )


class Replay:
    """Replays, one at a time."""

    def __init__(self, own: WarehouseSettings, engine: Engine, loader: Loader) -> None:
        self._own = own
        self._engine = engine
        self._loader = loader
        self._lock = asyncio.Lock()

    async def run(self, times: Times) -> AsyncGenerator[Progress]:
        """Loads a range, or goes on with the one that was interrupted, whatever range is asked for.

        Raises Running, Loaded, Invalid for a range the log does not hold, and Unavailable; then run it again.
        """
        if self._lock.locked():
            raise Running
        async with self._lock:
            try:
                async for progress in self._run(times):
                    yield progress
            except (LogLost, NatsError, OSError) as error:
                raise Unavailable("The event log is away. Give the command again: it goes on.") from error

    @asynccontextmanager
    async def none(self) -> AsyncIterator[None]:
        """No replay runs within the block, and nothing is forgotten of repeated ids. Raises Running and Interrupted."""
        if self._lock.locked():
            raise Running
        async with self._lock:
            last = (await Positions.open(self._loader.log, REPLAY)).last
            if last and last.until:
                raise Interrupted
            self._loader.duplicates.forgetting = False
            try:
                yield
            finally:
                self._loader.duplicates.forgetting = True

    async def _run(self, times: Times) -> AsyncGenerator[Progress]:
        positions = await Positions.open(self._loader.log, REPLAY)
        log = await Log.open(self._loader.log)
        intent = positions.last
        if intent is None or not intent.until:
            chosen = await self._choose(log, times)
            if not chosen:
                self._loader.duplicates.forgetting = True
                yield Progress(sequence=log.last, last_sequence=log.last, messages=0)
                return
            # The block in doubt is an empty one in front of the range.
            intent = Intent(first_seq=chosen[0], last_seq=chosen[0] - 1, rows=0, until=chosen[-1])
            await positions.announce(intent)
        self._loader.duplicates.forgetting = False
        async for progress in self._load(log, intent, positions):
            yield progress
        await positions.announce(Intent(first_seq=intent.until + 1, last_seq=intent.until, rows=0))
        self._loader.duplicates.forgetting = True

    async def _load(self, log: Log, intent: Intent, positions: Positions) -> AsyncGenerator[Progress]:
        start = reading_start(intent, log.first)
        progress = Progress(sequence=start - 1, last_sequence=intent.until, messages=intent.until - start + 1)
        yield progress
        reader = await LogReader.open(self._loader.log, start)
        try:
            if start <= intent.last_seq:
                doubtful = Block.of(await BlockReader(reader, self._own).through(intent.last_seq))
                async with self._loader.erased.storing():
                    block = await self._loader.prepare(doubtful)
                    await self._loader.settle(block)
                progress = progress.after(block)
                yield progress
            while progress.sequence < intent.until:
                block = await next_block(reader, self._own, progress.sequence, intent.until)
                async with self._loader.erased.storing():
                    block = await self._loader.prepare(block)
                    await positions.announce(
                        Intent(first_seq=block.first, last_seq=block.last, rows=block.count, until=intent.until)
                    )
                    await self._loader.store(inserts.insert, block)
                progress = progress.after(block)
                yield progress
        finally:
            await reader.close()

    async def _choose(self, log: Log, times: Times) -> range:
        # A loader that has not begun reads all there is.
        end = self._loader.intent.first_seq if self._loader.intent else log.first
        asked = await asked_for(log, end, times)
        self._loader.duplicates.forgetting = False
        try:
            await self._remember(log, asked.start)
            first = await self._behind_stored(log, asked.start)
            return await missing(log, range(first, asked.stop), times, self._engine)
        except BaseException:
            self._loader.duplicates.forgetting = True
            raise

    async def _remember(self, log: Log, first: int) -> None:
        """Notes the ids of the messages before the range that its own may repeat."""
        if first == log.first:
            return
        begin = await log.since(await log.published(first) - REMEMBERED)
        async for block in through(self._loader.log, self._own, begin, first - 1):
            await self._first_rows(block.messages)

    async def _behind_stored(self, log: Log, first: int) -> int:
        """`first`, or what comes behind the stored block that holds it."""
        batch_id, stored = await self._engine.loads.run(lambda client: block_of(client, first))
        if not batch_id:
            return first
        # The log may have lost the begin of the block.
        messages = await self._first_rows(await log.block_from(max(batch_id, log.first), self._own))
        return max([first, *(message.sequence + 1 for message in messages if event_ids(message) & stored)])

    async def _first_rows(self, messages: Sequence[Message]) -> list[Message]:
        return await self._engine.loads.run(lambda _: self._loader.duplicates.drop(messages))

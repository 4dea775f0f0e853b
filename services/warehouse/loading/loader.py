"""The loader: moves the event log into the warehouse, block by block, for ever."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from nats.errors import Error as NatsError

from services.kit import tracing
from services.kit.ending import end
from services.kit.errors import Unavailable
from services.kit.eventlog import EventLog
from services.kit.pseudonyms import Pseudonyms
from services.kit.settings import Settings
from services.warehouse import metrics
from services.warehouse.engine import Engine
from services.warehouse.failures import is_unreadable
from services.warehouse.loading import accounts, dead_letters, expired, inserts
from services.warehouse.loading.blocks import Block, BlockReader
from services.warehouse.loading.dead_letters import DeadLetter
from services.warehouse.loading.duplicates import Duplicates
from services.warehouse.loading.erased import ErasedUsers
from services.warehouse.loading.expired import oldest_kept
from services.warehouse.loading.lease import Lease
from services.warehouse.loading.positions import LIVE, REPLAY, Intent, Positions, reading_start
from services.warehouse.loading.reader import LogLost, LogReader
from services.warehouse.loading.remembering import Memory
from services.warehouse.loading.rewritten import Rewritten
from services.warehouse.loading.turns import first_ended
from services.warehouse.settings import WarehouseSettings

log = logging.getLogger("loader")

# Requests of which a block's span tells.
MOST_LINKS = 100

# Beside the data of the embedded engine.
IDS = "warehouse-ids"
FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.1, 2.0
AWAY = (LogLost, NatsError, OSError)

Store = Callable[[Client, Block], None]


class Loader:
    """Loads every event exactly once.

    For each block: drop rows of erased users and repeated ones, write the intent, insert, account. Whatever fails or
    dies in between, the next round reads the block of the last intent again, settles it, and goes on behind it. Rows of
    a block that was read but not announced are not in the warehouse, since announcing comes before inserting.

    `loaded` is the sequence of the last message whose events can be queried, 0 before the first round has begun;
    `is_reading`: a round has.
    `duplicates` may be asked what is known; `erased` is told who is erased. `intent` is the last one, None before the
    first. Where other processes may load too, it does so while it holds the `lease`; else there is none.
    """

    def __init__(self, settings: Settings, own: WarehouseSettings, engine: Engine, lease: Lease | None = None) -> None:
        self._settings = settings
        self._own = own
        self._engine = engine
        self.duplicates = Duplicates(settings.home / IDS)
        self.erased = ErasedUsers(Pseudonyms.of_installation(settings))
        self._lease = lease
        self._memory = Memory(self.duplicates, engine, own, settings.home / IDS) if lease else None
        self._log: EventLog | None = None
        self.intent: Intent | None = None
        self._backoff = FIRST_BACKOFF_SECONDS
        self.loaded = 0
        self.is_reading = False
        # Set, and replaced by another, when `loaded` grows.
        self._moved = asyncio.Event()
        self._may_load = asyncio.Event()
        self._may_load.set()
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Runs until it is cancelled; every error is logged and followed by another round."""
        while True:
            await self._may_load.wait()
            self._running = asyncio.create_task(self._round())
            try:
                await self._running
            except asyncio.CancelledError:
                if self._may_load.is_set() or _is_cancelled():
                    raise
            except AWAY as error:
                log.warning("the event log is away; trying again: %r", error)
            except Exception:
                log.exception("loading failed; trying again")
            await asyncio.sleep(self._backoff)
            self._backoff = min(self._backoff * 2, MAX_BACKOFF_SECONDS)

    async def halt(self) -> None:
        """From when this returns nothing is loaded, until `resume`."""
        self._may_load.clear()
        if self._running is not None:
            await end([self._running])

    def resume(self) -> None:
        """Begins again with the intent that is there."""
        self.intent, self.loaded = None, 0
        self._may_load.set()

    @property
    def log(self) -> EventLog:
        """The event log. Raises Unavailable before it was reached."""
        if self._log is None:
            raise Unavailable
        return self._log

    async def reached(self, sequence: int) -> None:
        """Returns when the events of a message, and of all before it, can be queried."""
        while self.loaded < sequence:
            await self._moved.wait()

    async def check(self) -> None:
        """Raises unless the event log answers."""
        if self._log is None:
            raise ConnectionError("the event log was not reached yet")
        await self._log.check()

    async def close(self) -> None:
        """Closes the connection to the event log."""
        if self._log is not None:
            if self._lease:
                with suppress(NatsError, OSError):
                    await self._lease.release()
            await self._log.close()

    async def _round(self) -> None:
        """Loads while it is this process's turn. Ends only by an error."""
        await self._engine.open()
        if self._log is None:
            self._log = await EventLog.connect(self._settings)
        if self._lease is None or self._memory is None:
            await self._turn(self._log)
            return
        await first_ended(self._lease.acquire(self._log), self._memory.follow(self._log))
        await first_ended(self._turn(self._log), self._lease.keep())

    async def _turn(self, event_log: EventLog) -> None:
        """Settles the last intent, then loads block after block. Ends only by an error."""
        await self.erased.load(event_log)
        rewritten = Rewritten(event_log)
        await rewritten.ensure()
        positions = await Positions.open(event_log, LIVE)
        if self._memory and positions.last is not None:
            # Whoever loaded before and does not know that its turn is over announces nothing more.
            await positions.announce(positions.last)
            await self._memory.catch_up(event_log, positions.last.first_seq)
        replay = (await Positions.open(event_log, REPLAY)).last
        self.duplicates.forgetting = replay is None or not replay.until
        oldest = await rewritten.oldest()
        reader = await LogReader.open(event_log, reading_start(positions.last, oldest))
        self.is_reading = True
        try:
            blocks = BlockReader(reader, self._own)
            if positions.last is not None:
                self.intent = positions.last
                await self._warn_of_loss(positions.last, oldest)
                await self._settle(positions.last, oldest, blocks)
                self._move(positions.last.last_seq)
            while True:
                await self._load(await blocks.next(), positions)
                self._backoff = FIRST_BACKOFF_SECONDS
        finally:
            self.is_reading = False
            await reader.close()

    async def _settle(self, intent: Intent, oldest: int, blocks: BlockReader) -> None:
        self._move(max(self.loaded, intent.first_seq - 1))
        messages = await blocks.through(intent.last_seq) if oldest <= intent.first_seq else []
        if messages and messages[0].sequence == intent.first_seq:
            async with self.erased.storing():
                await self.settle(await self.prepare(Block.of(messages)))
            return
        # The loader was away for longer than the log keeps messages.
        stored = await self._engine.loads.run(lambda client: inserts.count(client, intent.first_seq))
        if stored != intent.rows:
            log.error("a block left the log before it was loaded", extra={"stored": stored, "expected": intent.rows})

    async def _warn_of_loss(self, intent: Intent, oldest: int) -> None:
        if oldest < intent.first_seq and await self._engine.loads.run(inserts.is_empty):
            log.error(
                "the warehouse is empty, though the event log was loaded: if it was lost, load it again with "
                "`segopsctl events replay`"
            )

    async def _load(self, block: Block, positions: Positions) -> None:
        traces = [message.trace for message in block.messages if message.trace][:MOST_LINKS]
        with tracing.work("load a block", links=traces, messages=len(block.messages)):
            await self._insert(block, positions)

    async def _insert(self, block: Block, positions: Positions) -> None:
        async with self.erased.storing():
            block = await self.prepare(block)
            self.intent = Intent(first_seq=block.first, last_seq=block.last, rows=block.count)
            await positions.announce(self.intent)
            await self.store(inserts.insert, block)
        self._move(block.last)
        if self._memory:
            self._memory.note(block.last)
        _note(block)

    def _move(self, loaded: int) -> None:
        self.loaded = loaded
        self._moved.set()
        self._moved = asyncio.Event()

    async def prepare(self, block: Block) -> Block:
        """The block as it is stored: the same whenever it is read again, but for what was erased or expired since."""
        block = block.having(await self._engine.loads.run(lambda _: self.erased.drop(block.messages)))
        block = block.having(expired.drop(block.messages, oldest_kept(self._own.retention_days, datetime.now(UTC))))
        block = await self._without(block, dead_letters.broken(block))
        return block.having(await self._engine.loads.run(lambda _: self.duplicates.drop(block.messages)))

    async def settle(self, block: Block) -> None:
        """Makes a block in doubt stored exactly once."""
        await self.store(partial(inserts.settle, layout=self._engine.layout, confirm=self._confirm), block)

    async def store(self, store: Store, block: Block) -> None:
        """Stores and accounts for a block; puts messages aside that cannot be read, and stores the rest."""
        self._confirm()
        try:
            await self._engine.loads.run(lambda client: store(client, block))
        except ClickHouseError as error:
            if not is_unreadable(error):
                raise
            letters = await self._engine.loads.run(lambda client: dead_letters.unreadable(client, block.messages))
            block = await self._without(block, letters)
            await self._engine.loads.run(lambda client: store(client, block))
        await self._engine.loads.run(lambda client: accounts.write(client, block))

    def _confirm(self) -> None:
        """Raises LeaseLost when another process may load by now."""
        if self._lease:
            self._lease.confirm()

    async def _without(self, block: Block, letters: list[DeadLetter]) -> Block:
        if not letters:
            return block
        metrics.DEAD_LETTERS.inc(len(letters))
        assert self._log is not None
        await dead_letters.put_aside(self._log, letters)
        dead = {message.sequence for message, _ in letters}
        return block.having(
            message.without_rows() if message.sequence in dead else message for message in block.messages
        )


def _is_cancelled() -> bool:
    """Whether this task itself is to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _note(block: Block) -> None:
    metrics.LOADED_BLOCKS.inc()
    metrics.LOADED_EVENTS.inc(block.count)
    now = datetime.now(UTC)
    # The oldest message of a block waited longest; the newest tells how fresh the answers are.
    if block.messages:
        metrics.DELAY_SECONDS.observe(max((now - block.messages[0].published_at).total_seconds(), 0.0))
        metrics.LOADED_TIME.set(block.messages[-1].published_at.timestamp())

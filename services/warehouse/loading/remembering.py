"""The memory of message ids of a process that does not load, or did not for a while: what others loaded is noted.

It depends on the order of the log alone, so whoever reads it comes to the same. Who waits for its turn follows a second
behind, so that a turn begins where the last one ended.
"""

import asyncio
import logging
from functools import partial
from pathlib import Path

from clickhouse_connect.driver.client import Client
from nats.errors import Error as NatsError

from services.kit.eventlog import EventLog
from services.warehouse.engine import Engine
from services.warehouse.loading.blocks import Block
from services.warehouse.loading.duplicates import REMEMBERED, Duplicates
from services.warehouse.loading.positions import LIVE, Positions
from services.warehouse.loading.reader import LogLost
from services.warehouse.loading.reading import through
from services.warehouse.loading.replay_range import Log
from services.warehouse.settings import WarehouseSettings

log = logging.getLogger("loader")

FOLLOW_SECONDS = 1.0


class Memory:
    """What is noted: all messages of the last day, up to a sequence that a file tells."""

    def __init__(self, duplicates: Duplicates, engine: Engine, own: WarehouseSettings, directory: Path) -> None:
        self._duplicates = duplicates
        self._engine = engine
        self._own = own
        self._file = directory / "noted"
        self._noted = int(self._file.read_text()) if self._file.exists() else 0

    def note(self, sequence: int) -> None:
        """All up to this message is noted."""
        self._noted = sequence
        self._file.parent.mkdir(parents=True, exist_ok=True)
        written = self._file.with_suffix(".new")
        written.write_text(str(sequence))
        written.replace(self._file)

    async def catch_up(self, event_log: EventLog, first: int) -> None:
        """Notes what comes before a message and may be repeated by it or a later one."""
        if self._noted >= first - 1:
            return
        found = await Log.open(event_log)
        begin = found.first
        if found.first < first <= found.last:
            begin = await found.since(await found.published(first) - REMEMBERED)
        begin = max(begin, self._noted + 1)
        async for block in through(event_log, self._own, begin, min(first - 1, found.last)):
            await self._engine.loads.run(partial(self._drop, block))
            self.note(block.last)
        self.note(first - 1)

    def _drop(self, block: Block, _: Client) -> None:
        self._duplicates.drop(block.messages)

    async def follow(self, event_log: EventLog) -> None:
        """Does so again and again, for ever."""
        while True:
            try:
                intent = (await Positions.open(event_log, LIVE)).last
                if intent is not None:
                    await self.catch_up(event_log, intent.first_seq)
            except (LogLost, NatsError, OSError) as error:
                log.warning("the event log is away; trying again: %r", error)
            await asyncio.sleep(FOLLOW_SECONDS)

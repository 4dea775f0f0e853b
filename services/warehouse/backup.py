"""All that the warehouse keeps, as lines of text, and back.

Of events there are the rows themselves and their accounts; the tables about users follow from the rows, and the mirrors
of PostgreSQL are caught up when they are needed. A block is in a backup as a whole or not at all: it is known by the
sequence of its first message, and blocks are loaded in that order.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import islice

from clickhouse_connect.driver.client import Client

from services.kit.errors import Conflict, Unavailable
from services.kit.eventlog import STREAM
from services.warehouse.engine import Engine
from services.warehouse.flowing import stream_lines
from services.warehouse.loading import inserts
from services.warehouse.loading.loader import Loader
from services.warehouse.loading.positions import LIVE, Intent, Positions
from services.warehouse.settings import MIB

IDS, EVENTS, INTAKE = "ids", "events", "intake"
COLUMNS = {
    EVENTS: "tenant_id, user_id, event_type, occurred_at, received_at, event_id, payload, anonymous_id, batch_id",
    INTAKE: "tenant_id, hour, event_type, outcome, batch_id, events",
}
# What is written again replaces itself there.
FINAL = {EVENTS: "", INTAKE: "FINAL"}
# Lines that are stored together.
BLOCK_BYTES = 16 * MIB
LINES = 10_000
# How long the loader may take for what is in the log.
PATIENCE_SECONDS = 60.0


class NotEmpty(Conflict):
    """The warehouse holds events. Restore into an empty one."""


class OnCluster(Conflict):
    """A warehouse on a cluster is backed up by ClickHouse itself: see docs/backup.md."""


async def loaded_through(loader: Loader) -> int:
    """A sequence up to which everything is stored, and all that is in the log now. Raises Unavailable."""
    state = (await loader.log.jetstream.stream_info(STREAM)).state
    if state.messages:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await loader.reached(state.last_seq)
        except TimeoutError:
            raise Unavailable("The event log is not loaded yet. Wait until it is, and try again.") from None
    return loader.loaded


def require_one_engine(engine: Engine) -> None:
    """Raises OnCluster: what is derived from events is derived on each shard, and would be there twice."""
    if engine.layout.cluster:
        raise OnCluster


def count_events(client: Client) -> int:
    """How many events are stored."""
    return int(client.query("SELECT count() FROM events").result_rows[0][0])


async def read(engine: Engine, loader: Loader, through: int) -> AsyncIterator[tuple[str, bytes]]:
    """Lines of each part, as far as the log was loaded through a sequence.

    Ids come first: those of messages behind it do no harm, since these will be read again.
    """
    lines = loader.duplicates.lines()
    while some := await asyncio.to_thread(_some, lines):
        yield IDS, some
    for part in (EVENTS, INTAKE):
        async with aclosing(stream_lines(engine, engine.backups, _query(part, through))) as chunks:
            async for chunk in chunks:
                yield part, chunk


class Restoring:
    """Takes lines of parts, joins them and stores them."""

    def __init__(self, engine: Engine, loader: Loader) -> None:
        self._engine = engine
        self._loader = loader
        self._part = ""
        self._waiting = bytearray()

    async def begin(self) -> None:
        """Halts the loader. Raises NotEmpty."""
        await self._engine.open()
        require_one_engine(self._engine)
        if not await self._engine.loads.run(inserts.is_empty) or self._loader.duplicates.count():
            raise NotEmpty
        await self._loader.halt()

    async def take(self, part: str, lines: bytes) -> None:
        """Stores what is whole when it is much, or when another part begins."""
        if part != self._part:
            await self.end()
            self._part = part
        self._waiting += lines
        if len(self._waiting) >= BLOCK_BYTES:
            await self._store(self._waiting.rindex(b"\n") + 1)

    async def end(self) -> None:
        """Stores what is left."""
        if self._waiting:
            await self._store(len(self._waiting))

    async def _store(self, size: int) -> None:
        lines = bytes(self._waiting[:size])
        del self._waiting[:size]
        if self._part == IDS:
            await self._engine.loads.run(lambda _: self._loader.duplicates.remember(lines))
        else:
            await self._engine.loads.run(_insert(self._part, lines))


async def resume(loader: Loader, through: int) -> None:
    """Lets the loader go on behind a message: what is in doubt is an empty block behind it."""
    positions = await Positions.open(loader.log, LIVE)
    await positions.announce(Intent(first_seq=through + 1, last_seq=through, rows=0))
    loader.resume()


def _some(lines: Iterator[bytes]) -> bytes:
    return b"".join(islice(lines, LINES))


def _query(part: str, through: int) -> Callable[[str], str]:
    return lambda tag: f"SELECT {COLUMNS[part]} /* {tag} */ FROM {part} {FINAL[part]} WHERE batch_id <= {through}"


def _insert(part: str, lines: bytes) -> Callable[[Client], object]:
    # A token of its own: without one the engine takes equal lines for a repetition.
    settings = {"insert_deduplication_token": uuid.uuid4().hex}
    columns = COLUMNS[part].split(", ")
    return lambda client: client.raw_insert(part, columns, insert_block=lines, fmt="TabSeparated", settings=settings)

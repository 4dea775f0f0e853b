"""Which messages a replay loads: those of a time range, none of which is in the warehouse."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from clickhouse_connect.driver.client import Client

from services.kit.errors import Conflict, Invalid
from services.kit.eventlog import STREAM, EventLog
from services.kit.wire import rfc3339
from services.warehouse.engine import Engine
from services.warehouse.loading.blocks import OpenBlock
from services.warehouse.loading.duplicates import EVENT_ID_COLUMN
from services.warehouse.loading.messages import Message
from services.warehouse.loading.reader import LogReader
from services.warehouse.loading.rewritten import Rewritten
from services.warehouse.settings import WarehouseSettings

# Blocks with rows, and blocks that are only accounted for.
BATCHES = """
    SELECT batch_id FROM events WHERE batch_id BETWEEN {first:UInt64} AND {last:UInt64}
    UNION DISTINCT SELECT batch_id FROM intake WHERE batch_id BETWEEN {first:UInt64} AND {last:UInt64}
"""


class Loaded(Conflict):
    """The warehouse holds events of this range."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """From an instant up to before another one, by when messages were published; no bound where None."""

    since: datetime | None = None
    until: datetime | None = None


class Log:
    """The event log as a replay looks at it; `first` and `last` are its sequences when it was opened."""

    def __init__(self, log: EventLog, first: int, last: int) -> None:
        self._log = log
        self.first = first
        self.last = last

    @classmethod
    async def open(cls, log: EventLog) -> "Log":
        """The log as it is now."""
        last = (await log.jetstream.stream_info(STREAM)).state.last_seq
        return cls(log, await Rewritten(log).oldest(), last)

    async def published(self, sequence: int) -> datetime:
        """When a message was published."""
        if rewritten := await Rewritten(self._log).find(sequence):
            return rewritten.published_at
        message = await self._log.jetstream.get_msg(STREAM, sequence)
        assert message.time is not None
        return message.time

    async def since(self, moment: datetime) -> int:
        """The first sequence published at or after an instant; behind the last one when there is none."""
        low, high = self.first, self.last + 1
        while low < high:
            middle = (low + high) // 2
            if await self.published(middle) < moment:
                low = middle + 1
            else:
                high = middle
        return low

    async def block_from(self, sequence: int, own: WarehouseSettings) -> Sequence[Message]:
        """The messages from a sequence on that may be one block."""
        block = OpenBlock(own)
        reader = await LogReader.open(self._log, sequence)
        try:
            while not block.full and (not block.messages or block.messages[-1].sequence < self.last):
                await reader.oldest()
                block.fill(reader)
        finally:
            await reader.close()
        return block.messages


async def asked_for(log: Log, end: int, times: Times) -> range:
    """The sequences of a time range, before `end`. Raises Invalid when the log holds none."""
    first = await log.since(times.since) if times.since else log.first
    before = min(end, await log.since(times.until)) if times.until else end
    if before <= first and (times.since or times.until):
        begin = rfc3339(await log.published(log.first)) if log.first <= log.last else "now"
        raise Invalid(detail=f"The log holds nothing of this range that was loaded before; it begins at {begin}.")
    return range(first, before)


async def missing(log: Log, asked: range, times: Times, engine: Engine) -> range:
    """The sequences to load: those asked for, up to the first that is stored when no end was given. Raises Loaded."""
    stored = await engine.loads.run(lambda client: _first_batch(client, asked))
    if stored and (times.until or stored == asked.start):
        raise Loaded(f"{Loaded.__doc__} {await _advice(log, asked.stop, engine)}")
    return range(asked.start, stored or asked.stop)


def block_of(client: Client, sequence: int) -> tuple[int, set[bytes]]:
    """The newest stored block that begins at or before a sequence, 0 without one, and its event ids."""
    newest = client.query("SELECT max(batch_id) FROM events WHERE batch_id <= {last:UInt64}", {"last": sequence})
    batch_id = int(newest.result_rows[0][0])
    rows = client.query("SELECT toString(event_id) FROM events WHERE batch_id = {id:UInt64}", {"id": batch_id})
    return batch_id, {row[0].encode() for row in rows.result_rows}


def event_ids(message: Message) -> set[bytes]:
    """Those of a message's rows."""
    rows = (row.split(b"\t", EVENT_ID_COLUMN + 1) for row in message.rows.splitlines())
    return {columns[EVENT_ID_COLUMN] for columns in rows if len(columns) > EVENT_ID_COLUMN}


async def _advice(log: Log, end: int, engine: Engine) -> str:
    """Where the largest part that is not stored begins."""
    batch_id = await engine.loads.run(lambda client: _batch_before_gap(client, range(log.first, end)))
    # Rounded up: it must not be before the block.
    begin = await log.published(batch_id) + timedelta(microseconds=1)
    text = begin.isoformat().replace("+00:00", "Z")
    return f"If a part is missing, the largest begins at {text}: then give that as --from."


def _first_batch(client: Client, within: range) -> int:
    """The first block that begins in a range, 0 without one."""
    return _ask(client, f"SELECT min(batch_id) FROM ({BATCHES})", within)


def _batch_before_gap(client: Client, within: range) -> int:
    """The block after whose begin it is farthest to that of the next one, or to the end of the range."""
    window = "(ORDER BY batch_id ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)"
    following = f"leadInFrame(batch_id, 1, {{last:UInt64}} + 1) OVER {window}"
    gaps = f"SELECT batch_id, {following} - batch_id AS gap FROM ({BATCHES})"
    return _ask(client, f"SELECT argMax(batch_id, gap) FROM ({gaps})", within)


def _ask(client: Client, query: str, within: range) -> int:
    return int(client.query(query, {"first": within.start, "last": within.stop - 1}).result_rows[0][0])

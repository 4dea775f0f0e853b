"""Users who were erased: their events are never stored again, wherever they come from.

An event is dropped when it occurred up to the instant at which the erasure was asked for, or was received while it
ran: that does not depend on when a message is read. Who they are is kept in a key-value bucket of NATS, by pseudonym,
so that a warehouse that is lost and loaded again drops the same.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce

from nats.js.kv import KeyValue

from services.kit.errors import Unavailable
from services.kit.eventlog import EventLog
from services.kit.pseudonyms import Pseudonyms
from services.kit.streams import ensure_bucket
from services.warehouse.loading.messages import Message

BUCKET = "erased"
# After every time of an event.
ALWAYS = b"~"

# Columns of a row, see services/ingestion/rows.py.
USER_ID, OCCURRED_AT, RECEIVED_AT = 1, 3, 4
TABS = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Up to when what occurred, or was received, is not stored: times as rows have them."""

    occurred: bytes
    received: bytes = ALWAYS

    def holds(self, occurred: bytes, received: bytes) -> bool:
        """Whether an event is not stored."""
        return occurred <= self.occurred or received <= self.received

    def widened(self, other: "Block") -> "Block":
        """What holds whatever one of the two does."""
        return Block(occurred=max(self.occurred, other.occurred), received=max(self.received, other.received))


NOTHING = Block(occurred=b"", received=b"")


class ErasedUsers:
    """Drops rows of users who were erased."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._bucket: KeyValue | None = None
        self._blocks: defaultdict[int, dict[bytes, Block]] = defaultdict(dict)
        # Of each tenant, one that holds whatever any of its blocks does.
        self._widest: dict[int, Block] = {}
        # Whoever reads them must not put back what another has just changed.
        self._changing = asyncio.Lock()
        self._storing: set[asyncio.Future[None]] = set()

    async def load(self, log: EventLog) -> None:
        """Reads who was erased; nothing may be stored before."""
        async with self._changing:
            self._bucket = await ensure_bucket(log.jetstream, BUCKET, log.replicas)
            watcher = await self._bucket.watchall()
            try:
                while entry := await watcher.updates():  # type: ignore[no-untyped-call]
                    tenant, _, name = entry.key.partition(".")
                    occurred, _, received = (entry.value or b"").partition(b"\t")
                    block = Block(occurred=occurred, received=received)
                    self._blocks[int(tenant)][bytes.fromhex(name)] = block
                    self._widest[int(tenant)] = block.widened(self._widest.get(int(tenant), NOTHING))
            finally:
                await watcher.stop()  # type: ignore[no-untyped-call]

    async def block(self, tenant_id: int, user_ids: Iterable[str], until: datetime) -> None:
        """From now on nothing of these users is stored; what was being stored is when this returns.

        Raises Unavailable before those who were erased earlier are known.
        """
        async with self._changing:
            for name in self._names(tenant_id, user_ids):
                known = self._blocks[tenant_id].get(name)
                occurred = max(_text(until), known.occurred if known else b"")
                await self._put(tenant_id, name, Block(occurred=occurred))
        if storing := set(self._storing):
            await asyncio.wait(storing)

    async def release(self, tenant_id: int, user_ids: Iterable[str]) -> None:
        """From now on what happens later is stored. Raises Unavailable as `block` does."""
        now = _text(datetime.now(UTC))
        async with self._changing:
            for name in self._names(tenant_id, user_ids):
                if known := self._blocks[tenant_id].get(name):
                    await self._put(tenant_id, name, replace(known, received=now))
            self._widest[tenant_id] = reduce(Block.widened, self._blocks[tenant_id].values(), NOTHING)

    @asynccontextmanager
    async def storing(self) -> AsyncIterator[None]:
        """Around what is stored, from before rows are dropped: whoever blocks users waits for the end."""
        ended = asyncio.get_running_loop().create_future()
        self._storing.add(ended)
        try:
            yield
        finally:
            self._storing.discard(ended)
            ended.set_result(None)

    def drop(self, messages: Iterable[Message]) -> list[Message]:
        """The messages without rows that are not stored."""
        return [self._without(message) if message.tenant_id in self._widest else message for message in messages]

    def lines_of_others(self, tenant_id: int, copy_text: bytes, columns: Collection[int]) -> bytes:
        """Lines of COPY text without those that have a user who is being erased in one of the columns."""
        running = {name for name, block in self._blocks.get(tenant_id, {}).items() if block.received == ALWAYS}
        if not running:
            return copy_text
        lines = copy_text.splitlines(keepends=True)
        return b"".join(line for line in lines if not running & self._named(tenant_id, line, columns))

    def _without(self, message: Message) -> Message:
        widest, blocks = self._widest[message.tenant_id], self._blocks[message.tenant_id]
        if _are_all_newer(message, widest):
            return message
        kept, erased = [], []
        for row in message.rows.splitlines(keepends=True):
            columns = row.split(b"\t", RECEIVED_AT + 1)
            if len(columns) > RECEIVED_AT and widest.holds(columns[OCCURRED_AT], columns[RECEIVED_AT]):
                block = blocks.get(self._pseudonyms.name(message.tenant_id, unescaped(columns[USER_ID])), NOTHING)
                if block.holds(columns[OCCURRED_AT], columns[RECEIVED_AT]):
                    erased.append(row)
                    continue
            kept.append(row)
        return replace(message, rows=b"".join(kept), erased=tuple(erased)) if erased else message

    def _names(self, tenant_id: int, user_ids: Iterable[str]) -> list[bytes]:
        return [self._pseudonyms.name(tenant_id, user_id) for user_id in user_ids]

    def _named(self, tenant_id: int, line: bytes, columns: Collection[int]) -> set[bytes]:
        cells = line.rstrip(b"\n").split(b"\t")
        return {self._pseudonyms.name(tenant_id, unescaped(cells[column])) for column in columns if column < len(cells)}

    async def _put(self, tenant_id: int, name: bytes, block: Block) -> None:
        if self._bucket is None:
            raise Unavailable
        await self._bucket.put(f"{tenant_id}.{name.hex()}", block.occurred + b"\t" + block.received)
        self._blocks[tenant_id][name] = block
        self._widest[tenant_id] = block.widened(self._widest.get(tenant_id, NOTHING))


def _are_all_newer(message: Message, widest: Block) -> bool:
    """Whether no row can be one of an erased user, told for all at once: almost all are newer than any erasure."""
    cells = message.rows.split(b"\t")
    if len(cells) != TABS * message.count + 1:
        return False
    # The last cell of a row and the first one of the next are one here.
    occurred, received = cells[OCCURRED_AT::TABS], cells[RECEIVED_AT::TABS]
    return not widest.holds(min(occurred, default=ALWAYS), min(received, default=ALWAYS))


def unescaped(cell: bytes) -> bytes:
    """The text of a cell."""
    return cell.replace(b"\\\\", b"\\")


def _text(moment: datetime) -> bytes:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds").encode()

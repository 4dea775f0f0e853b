"""Taking users out of the event log: messages with rows of theirs are rewritten without, and then erased from the disk.

Before it is erased, what is left of a message is on disk (see `rewritten`): whatever dies in between, it is there once
for whoever reads the log. Only messages that were loaded are rewritten. An empty message is appended first, up to which
everything is: it is of no user and is never rewritten, so that the log ends with a message that is as it was.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace

from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from services.kit.errors import Unavailable
from services.kit.eventlog import STREAM, SUBJECT_PREFIX, EventLog
from services.warehouse.loading import accounts, dead_letters
from services.warehouse.loading.erased import USER_ID, unescaped
from services.warehouse.loading.loader import Loader
from services.warehouse.loading.messages import Message
from services.warehouse.loading.reader import LogLost, LogReader
from services.warehouse.loading.rewritten import PREFIX, REWRITTEN, Rewritten, read
from services.warehouse.sharing import Found

# How long a loader may take for what is in the log.
PATIENCE_SECONDS = 60.0
# Of a row, see services/ingestion/rows.py.
COLUMNS = 8
# With the same id the log would take what is left of a letter for the letter itself.
LETTER_ID_HEADER = "Nats-Msg-Id"

LOG, DEAD = "event_log", "dead_letters"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sifted:
    """Rows of a message: what is left without those of some users, which are gone, and how many each of them had."""

    left: bytes
    gone: list[bytes]
    counts: Counter[str]

    def found_in(self, store: str) -> Found:
        """The counts as those of a store."""
        return Counter({(store, user_id): count for user_id, count in self.counts.items()})


class LogRewriter:
    """Erases users of all tenants from the log and from what was put aside."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    async def erase(self, tenant_id: int, user_ids: Collection[str]) -> Found:
        """How many rows of theirs there were in messages, which are gone. Raises Unavailable."""
        log, users = self._loader.log, frozenset(user_id.encode() for user_id in user_ids)
        found: Found = Counter()
        try:
            async for message in _messages(log, tenant_id, await self._loaded_end(tenant_id)):
                if sifted := await asyncio.to_thread(sift, message.rows, users):
                    await Rewritten(log).put(without(message, sifted))
                    await _erase(log, STREAM, message.sequence)
                    found += sifted.found_in(LOG)
            async for raw in _each(log, REWRITTEN, f"{PREFIX}.*"):
                message = read(raw)
                if message.tenant_id == tenant_id and (sifted := await asyncio.to_thread(sift, message.rows, users)):
                    await Rewritten(log).put(without(message, sifted))
                    await _erase(log, REWRITTEN, raw.seq)
                    found += sifted.found_in(LOG)
            async for raw in _each(log, dead_letters.STREAM, f"{dead_letters.SUBJECT_PREFIX}.{tenant_id}"):
                if sifted := await asyncio.to_thread(sift, raw.data or b"", users):
                    await _put_back(log, raw, sifted)
                    await _erase(log, dead_letters.STREAM, raw.seq)
                    found += sifted.found_in(DEAD)
        except (LogLost, NatsError, OSError) as error:
            raise Unavailable("The event log is away.") from error
        return found

    async def _loaded_end(self, tenant_id: int) -> int:
        """The sequence of a message up to which all are loaded."""
        end = await self._loader.log.append(tenant_id, b"")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._loader.reached(end)
        except TimeoutError:
            raise Unavailable("The event log is not loaded yet.") from None
        return end


def sift(rows: bytes, users: frozenset[bytes]) -> Sifted | None:
    """The rows without those of users, None when there are none.

    Of rows that cannot be read those are taken for theirs in which an id of theirs is found.
    """
    left: list[bytes] = []
    gone: list[bytes] = []
    counts: Counter[str] = Counter()
    for row in rows.splitlines(keepends=True):
        columns = row.split(b"\t")
        if len(columns) == COLUMNS:
            whose = {unescaped(columns[USER_ID])} & users
        else:
            whose = {user for user in users if user in unescaped(row)}
        counts.update(user.decode() for user in whose)
        (gone if whose else left).append(row)
    if not gone:
        return None
    return Sifted(left=b"".join(left), gone=gone, counts=counts)


def without(message: Message, sifted: Sifted) -> Message:
    """What is left of a message. Rows that are gone are counted as skipped, as when they were never stored."""
    return replace(message, rows=sifted.left, skipped=accounts.skipped_too(message, sifted.gone))


async def _messages(log: EventLog, tenant_id: int, end: int) -> AsyncIterator[Message]:
    """A tenant's messages in the log up to one of them, as they are there."""
    reader = await LogReader.open(log, 1, f"{SUBJECT_PREFIX}.{tenant_id}")
    try:
        while (await reader.oldest()).sequence < end:
            yield reader.pop()
    finally:
        await reader.close()


async def _each(log: EventLog, stream: str, subject: str) -> AsyncIterator[RawStreamMsg]:
    """The messages of a subject in a stream, in order; none when there is no such stream."""
    sequence = 1
    while True:
        try:
            raw = await log.jetstream.get_msg(stream, sequence, subject, next=True)
        except NotFoundError:
            return
        yield raw
        assert raw.seq is not None
        sequence = raw.seq + 1


async def _put_back(log: EventLog, raw: RawStreamMsg, sifted: Sifted) -> None:
    """Puts what is left of a dead letter behind the others."""
    if sifted.left:
        headers = {name: text for name, text in (raw.headers or {}).items() if name != LETTER_ID_HEADER}
        await log.jetstream.publish(raw.subject or "", sifted.left, headers=headers)


async def _erase(log: EventLog, stream: str, sequence: int | None) -> None:
    """Deletes a message and overwrites it on the disk."""
    assert sequence is not None
    try:
        await log.jetstream.delete_msg(stream, sequence)
    except NotFoundError:
        return  # it was deleted already, or forgotten

"""Which rows are the first with their event id: memory of 24 hours on disk, beside the warehouse.

An id is remembered with the sequence of the message that first had it, in the bucket of that message's hour. A row is
dropped when its id is known from another message, or came earlier in its own message.

Why a crash leaves exactly one row: messages are looked at in the order of the log, and a message that is looked at
again finds its own sequence, so the answer for it is the same as before, whatever blocks the messages were joined to.
Ids are on disk before the intent and the insert of their block, so nothing is stored whose ids could be forgotten.
Ids that were written before a crash whose block was never inserted belong to messages that will be read again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree
from threading import Lock

import lmdb

from services.warehouse.loading.messages import Message

# An id is found for 24 to 32 hours; four buckets are looked at.
BUCKET_SECONDS = 8 * 3600
BUCKETS = 24 * 3600 // BUCKET_SECONDS + 1
REMEMBERED = timedelta(seconds=BUCKETS * BUCKET_SECONDS)
# Address space, not disk or memory.
MAP_BYTES = 1 << 38

EVENT_ID_COLUMN = 5
# Ids that ingestion derived from a message_id are UUIDs of version 5; the others are random.
VERSION_AT, DERIVED = 14, ord("5")


class Duplicates:
    """Drops rows whose event id was seen before: from one thread, while others may ask what is known."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[int, lmdb.Environment] = {}
        # Held while files are opened or closed, and by readers as long as they use them.
        self._files = Lock()
        # A replay needs to remember for longer.
        self.forgetting = True

    def drop(self, messages: Iterable[Message]) -> list[Message]:
        """The messages without repeated rows; their ids are on disk when this returns."""
        kept: list[Message] = []
        with ExitStack() as transactions:
            known: dict[int, lmdb.Transaction] = {}
            for message in messages:
                if not message.repeatable:
                    kept.append(message)
                    continue
                numbers = [*_buckets(message.published_at), *self._later(message.published_at)]
                for number in sorted(numbers):
                    if number not in known:
                        known[number] = transactions.enter_context(self._bucket(number).begin(write=True))
                kept.append(_first_rows(message, [known[number] for number in numbers]))
        if known and self.forgetting:
            self._forget(max(known) - BUCKETS)
        return kept

    def find(self, tenant_id: int, event_ids: Sequence[bytes], now: datetime) -> set[bytes]:
        """Those of a tenant's event ids, 16 bytes each, that are remembered."""
        prefix = b"%d:" % tenant_id
        found: set[bytes] = set()
        with self._files:
            for number in _buckets(now):
                if number in self._open or self._path(number).exists():
                    with self._opened(number).begin() as bucket:
                        found.update([each for each in event_ids if bucket.get(prefix + each) is not None])
        return found

    def lines(self) -> Iterator[bytes]:
        """All that is remembered, a line for each id: bucket, key and sequence."""
        for number in self._numbers():
            with self._bucket(number).begin() as bucket:
                for key, sequence in bucket.cursor():
                    yield b"%d\t%s\t%s\n" % (number, key.hex().encode(), sequence.hex().encode())

    def remember(self, lines: bytes) -> None:
        """Takes such lines in."""
        rows: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        for line in lines.splitlines():
            bucket, key, sequence = line.decode().split("\t")
            rows[int(bucket)].append((bytes.fromhex(key), bytes.fromhex(sequence)))
        for number, known in rows.items():
            with self._bucket(number).begin(write=True) as transaction:
                transaction.cursor().putmulti(known)

    def count(self) -> int:
        """How many ids are remembered."""
        return sum(self._bucket(number).stat()["entries"] for number in self._numbers())

    def close(self) -> None:
        """Closes the files."""
        with self._files:
            for environment in self._open.values():
                environment.close()
            self._open.clear()

    def _later(self, moment: datetime) -> Sequence[int]:
        """The buckets of the 24 hours that follow, which are there when the log is loaded again."""
        newest = _buckets(moment)[0]
        return [number for number in range(newest + 1, newest + BUCKETS) if self._path(number).exists()]

    def _numbers(self) -> Sequence[int]:
        """The buckets that are there."""
        names = [path.name for path in self._directory.iterdir()] if self._directory.exists() else []
        return sorted(int(name) for name in names if name.isdigit())

    def _path(self, number: int) -> Path:
        return self._directory / str(number)

    def _bucket(self, number: int) -> lmdb.Environment:
        with self._files:
            return self._opened(number)

    def _opened(self, number: int) -> lmdb.Environment:
        if number not in self._open:
            path = self._path(number)
            path.mkdir(parents=True, exist_ok=True)
            self._open[number] = lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=0, readahead=False)
        return self._open[number]

    def _forget(self, newest: int) -> None:
        """Deletes the buckets up to `newest`, open or left by an earlier process."""
        for path in self._directory.iterdir():
            if path.name.isdigit() and int(path.name) <= newest:
                with self._files:
                    if environment := self._open.pop(int(path.name), None):
                        environment.close()
                    rmtree(path)


def _buckets(moment: datetime) -> Sequence[int]:
    """The buckets of the last 24 hours, the newest first."""
    newest = int(moment.timestamp()) // BUCKET_SECONDS
    return range(newest, newest - BUCKETS, -1)


def _first_rows(message: Message, buckets: list[lmdb.Transaction]) -> Message:
    sequence = message.sequence.to_bytes(8, "big")
    seen: set[bytes] = set()
    kept, repeated = [], []
    for row in message.rows.splitlines(keepends=True):
        key = _derived_id(row)
        if key is None:
            kept.append(row)
        elif key not in seen and _claim(key, sequence, buckets):
            seen.add(key)
            kept.append(row)
        else:
            repeated.append(row)
    return replace(message, rows=b"".join(kept), repeated=tuple(repeated))


def _claim(key: bytes, sequence: bytes, buckets: list[lmdb.Transaction]) -> bool:
    """Whether `sequence` is the message that has the id first; remembers it in the newest bucket, which comes first."""
    for bucket in buckets:
        owner = bucket.get(key)
        if owner is not None:
            return bool(owner == sequence)
    buckets[0].put(key, sequence)
    return True


def _derived_id(row: bytes) -> bytes | None:
    """Tenant and event id, when the id was derived. None for rows that cannot be read: the warehouse refuses those."""
    columns = row.split(b"\t", EVENT_ID_COLUMN + 1)
    if len(columns) <= EVENT_ID_COLUMN or len(columns[EVENT_ID_COLUMN]) != 36:
        return None
    event_id = columns[EVENT_ID_COLUMN]
    if event_id[VERSION_AT] != DERIVED:
        return None
    try:
        return columns[0] + b":" + bytes.fromhex(event_id.replace(b"-", b"").decode())
    except ValueError:
        return None

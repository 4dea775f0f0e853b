"""How far the log is loaded: a record in a key-value bucket of NATS, on disk before the insert it announces."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from services.kit.eventlog import EventLog
from services.kit.streams import ensure_bucket

BUCKET = "loader"
# What the loader does, and what a replay does.
LIVE, REPLAY = "intent", "replay"


@dataclass(frozen=True, kw_only=True, slots=True)
class Intent:
    """The last block that was, or was about to be, inserted: its range in the log and how many rows it has.

    `until`: the last message to load, of a replay that is not over; 0 else.
    """

    first_seq: int
    last_seq: int
    rows: int
    until: int = 0


def reading_start(intent: Intent | None, oldest: int) -> int:
    """Where to read from: the block in doubt, or behind it when the log, which begins at `oldest`, lost some of it."""
    if intent is None:
        return oldest
    return intent.first_seq if oldest <= intent.first_seq else max(oldest, intent.last_seq + 1)


class Positions:
    """The record and its revision: a second loader that wrote meanwhile makes the next `announce` fail."""

    def __init__(self, bucket: KeyValue, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._revision = 0
        self.last: Intent | None = None

    @classmethod
    async def open(cls, log: EventLog, key: str) -> Self:
        """Reads the record under `key`, and makes the bucket when it is not there."""
        bucket = await ensure_bucket(log.jetstream, BUCKET, log.replicas)
        positions = cls(bucket, key)
        try:
            entry = await bucket.get(key)
        except KeyNotFoundError:
            return positions
        positions._revision = entry.revision or 0
        positions.last = Intent(**json.loads(entry.value or b"{}"))
        return positions

    async def announce(self, intent: Intent) -> None:
        """Returns when the record is on disk. After an error it may have been written or not."""
        record = json.dumps(asdict(intent)).encode()
        self._revision = await self._bucket.update(self._key, record, last=self._revision)
        self.last = intent

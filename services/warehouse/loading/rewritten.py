"""Messages of the event log out of which rows were erased: what is left of each, by the message's sequence.

The log itself has such a message no more; whoever reads it finds here what was in its place. There is one for every
message that was taken out, also when no row is left of it, so that none is missed.
"""

import time
from datetime import UTC, datetime

from nats.js.api import RawStreamMsg, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from services.kit.eventlog import DEDUP_HEADER, SKIPPED_HEADER, STREAM, EventLog
from services.kit.streams import ensure_stream
from services.warehouse.loading.messages import Message

REWRITTEN = "EVENTS_REWRITTEN"
PREFIX = "rewritten"
SUBJECT_HEADER, PUBLISHED_HEADER = "Segops-Subject", "Segops-Published"
# It goes when the log would have forgotten the message.
LIFETIME_HEADER = "Nats-TTL"


class Rewritten:
    """What is left of rewritten messages."""

    def __init__(self, log: EventLog) -> None:
        self._jetstream = log.jetstream
        self._replicas, self._kept = log.replicas, log.kept

    async def ensure(self) -> None:
        """Makes the stream when it is not there."""
        wanted = StreamConfig(
            name=REWRITTEN,
            subjects=[f"{PREFIX}.*"],
            storage=StorageType.FILE,
            num_replicas=self._replicas,
            max_age=self._kept.total_seconds(),
            allow_msg_ttl=True,
        )
        await ensure_stream(self._jetstream, wanted)

    async def find(self, sequence: int) -> Message | None:
        """What is left of a message; None when it was not rewritten."""
        try:
            return read(await self._jetstream.get_last_msg(REWRITTEN, f"{PREFIX}.{sequence}"))
        except NotFoundError:
            return None

    async def put(self, message: Message) -> None:
        """Keeps what is left of a message; it is on disk when this returns."""
        age = datetime.now(UTC) - message.published_at
        seconds = max(1, int((self._kept - age).total_seconds()))
        headers = {
            SUBJECT_HEADER: message.subject,
            PUBLISHED_HEADER: message.published_at.isoformat(),
            LIFETIME_HEADER: f"{seconds}s",
        }
        if message.repeatable:
            headers[DEDUP_HEADER] = "1"
        if message.skipped:
            headers[SKIPPED_HEADER] = message.skipped
        await self._jetstream.publish(f"{PREFIX}.{message.sequence}", message.rows, headers=headers)

    async def oldest(self) -> int:
        """The sequence with which the log begins, counting what was rewritten."""
        first = (await self._jetstream.stream_info(STREAM)).state.first_seq
        # All before the first that is there as it was were rewritten, or are forgotten: the older ones.
        step = 1
        while await self.find(first - step):
            step *= 2
        low, high = max(first - step, 0), first
        while high - low > 1:
            middle = (low + high) // 2
            if await self.find(middle):
                high = middle
            else:
                low = middle
        return high


def read(raw: RawStreamMsg) -> Message:
    """The message as it was, without the rows that were erased."""
    headers = raw.headers or {}
    return Message(
        sequence=int((raw.subject or "").rpartition(".")[2]),
        subject=headers[SUBJECT_HEADER],
        published_at=datetime.fromisoformat(headers[PUBLISHED_HEADER]),
        read_at=time.monotonic(),
        rows=raw.data or b"",
        repeatable=headers.get(DEDUP_HEADER) == "1",
        skipped=headers.get(SKIPPED_HEADER, ""),
    )

"""Messages of the event log as the loader works on them."""

import time
from dataclasses import dataclass
from datetime import datetime

from nats.aio.msg import Msg

from services.kit.eventlog import DEDUP_HEADER


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """The rows of one request. `repeatable`: some may be stored already. `read_at`: seconds of the monotonic clock."""

    sequence: int
    subject: str
    published_at: datetime
    read_at: float
    rows: bytes
    repeatable: bool = False

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.rows.count(b"\n")


def from_log(message: Msg) -> Message:
    """A message as it was delivered by a consumer of the log."""
    metadata = message.metadata
    return Message(
        sequence=metadata.sequence.stream,
        subject=message.subject,
        published_at=metadata.timestamp,
        read_at=time.monotonic(),
        rows=message.data,
        repeatable=bool(message.headers and message.headers.get(DEDUP_HEADER) == "1"),
    )

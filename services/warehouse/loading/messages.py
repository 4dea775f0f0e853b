"""Messages of the event log as the loader works on them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from nats.aio.msg import Msg

from services.kit.eventlog import DEDUP_HEADER, SKIPPED_HEADER
from services.kit.tracing import TRACE_HEADER


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """The rows of one request, or some. `repeatable`: some may be stored already.

    `read_at`: seconds of the monotonic clock. `skipped`: the header that counts the invalid events, empty without any.
    `repeated`: rows that were taken out, because they are stored already; `erased`: because their users were erased;
    `expired`: because they are older than what is kept.
    `unreadable`: how many rows were put aside. `trace`: of the request, empty when it is not traced.
    """

    sequence: int
    subject: str
    published_at: datetime
    read_at: float
    rows: bytes
    repeatable: bool = False
    skipped: str = ""
    repeated: Sequence[bytes] = ()
    erased: Sequence[bytes] = ()
    expired: Sequence[bytes] = ()
    unreadable: int = 0
    trace: str = ""

    @property
    def tenant_id(self) -> int:
        """Whose message it is; 0 for nobody's."""
        tenant = self.subject.rpartition(".")[2]
        return int(tenant) if tenant.isdecimal() else 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.rows.count(b"\n")

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""
        return len(self.rows) + len(self.skipped)

    def without_rows(self) -> "Message":
        """The message when its rows cannot be read."""
        return replace(self, rows=b"", unreadable=self.rows.removesuffix(b"\n").count(b"\n") + 1)


def from_log(message: Msg) -> Message:
    """A message as it was delivered by a consumer of the log."""
    metadata = message.metadata
    headers = message.headers or {}
    return Message(
        sequence=metadata.sequence.stream,
        subject=message.subject,
        published_at=metadata.timestamp,
        read_at=time.monotonic(),
        rows=message.data,
        repeatable=headers.get(DEDUP_HEADER) == "1",
        skipped=headers.get(SKIPPED_HEADER, ""),
        trace=headers.get(TRACE_HEADER, ""),
    )

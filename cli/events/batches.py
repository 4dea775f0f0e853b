"""Batches: what is sent at once, with all that its acknowledgement settles."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from cli.events.lines import Lines, Position
from cli.events.records import Record
from cli.events.sources import Source
from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb

MAX_EVENTS = 500
# Well below what one message may have; some batches are held at once.
MAX_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some records in a row: a request with the events in them, and the records these came from, in their order.

    `end` is behind the last record, and `read` is how far the source itself was read by then.
    """

    request: pb.TrackStreamRequest
    sent: list[Record]
    rejected: list[Record]
    end: Position
    read: int


def batches(records: Iterator[Record], lines: Lines, source: Source, identity: str) -> Iterator[Batch]:
    """The records in batches; the last one is empty and has the end of the source.

    Each event without a message_id gets one made of the source's identity, the line and what it says: a record that is
    read again is the same event.
    """
    for number in count():
        sent: list[Record] = []
        rejected: list[Record] = []
        size = 0
        request = pb.TrackStreamRequest(batch=number)
        for record in records:
            size += len(record.text)
            if record.event is None:
                rejected.append(record)
            else:
                sent.append(record)
                record.event.message_id = record.event.message_id or _message_id(identity, record)
                request.events.append(record.event)
            if len(sent) + len(rejected) == MAX_EVENTS or size >= MAX_BYTES:
                break
        yield Batch(request=request, sent=sent, rejected=rejected, end=lines.position, read=source.read_bytes())
        if not sent and not rejected:
            return


def _message_id(identity: str, record: Record) -> str:
    digest = sha256(f"{identity}:{record.line}:".encode())
    digest.update(record.text.rstrip(b"\r\n"))
    return f"import-{digest.hexdigest()}"

"""Records: what a source says of one event, or why it says nothing that could be sent."""

from dataclasses import dataclass
from datetime import datetime

from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb


class Wrong(Exception):
    """A record that is no event; the text says why, without the values that make it differ from others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One event as it stands in a source, from line `line` on; `error` says why there is no event in it."""

    line: int
    text: bytes
    event: pb.Event | None = None
    error: str = ""


def utf8(text: bytes) -> str:
    """The text. Raises Wrong when it is not UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise Wrong(f"Must be UTF-8 (byte {error.start}).") from error


def set_time(event: pb.Event, moment: datetime) -> None:
    """Sets when an event occurred; a naive moment is UTC. Raises Wrong for times that no one can tell."""
    try:
        event.occurred_at.FromDatetime(moment)
    except (ValueError, OverflowError) as error:
        raise Wrong("occurred_at: Must be within the years 1 to 9999.") from error

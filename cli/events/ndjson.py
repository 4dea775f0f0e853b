"""NDJSON: an event a line, with the keys of POST /api/ingestion/track/. Blank lines are passed over."""

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from cli.events.lines import TOO_LONG, Line
from cli.events.records import Record, Wrong, set_time, utf8
from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb

_NULL = msgspec.Raw(b"null")
# "Expected `str`, got `int` - at `$.user_id`"
_PLACE = re.compile(r"(.*) - at `\$\.(.*)`")


class _Event(msgspec.Struct):
    user_id: str | None = None
    event_type: str | None = None
    occurred_at: datetime | None = None
    payload: msgspec.Raw = _NULL
    anonymous_id: str | None = None
    message_id: str | None = None


_EVENT = msgspec.json.Decoder(_Event)


def read_ndjson(lines: Iterator[Line]) -> Iterator[Record]:
    """The records in some lines."""
    for line in lines:
        if not line.text.strip():
            continue
        try:
            yield Record(line=line.number, text=line.text, event=_event(line))
        except Wrong as wrong:
            yield Record(line=line.number, text=line.text, error=str(wrong))


def _event(line: Line) -> pb.Event:
    if not line.whole:
        raise Wrong(TOO_LONG)
    utf8(line.text)
    try:
        sent = _EVENT.decode(line.text)
    except msgspec.ValidationError as error:
        raise Wrong(_PLACE.sub(r"\2: \1", str(error)) + ".") from error
    except msgspec.DecodeError as error:
        raise Wrong(f"{error}.") from error
    except RecursionError as error:
        raise Wrong("The line is nested too deeply.") from error
    event = pb.Event(
        user_id=sent.user_id or "",
        event_type=sent.event_type or "",
        anonymous_id=sent.anonymous_id or "",
        message_id=sent.message_id or "",
    )
    if sent.occurred_at is not None:
        set_time(event, sent.occurred_at)
    if sent.payload != _NULL:
        event.payload_json = bytes(sent.payload).decode()
    return event

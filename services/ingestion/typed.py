"""Typed events: each becomes the compact JSON text that an event of a JSON body is, so that one parser judges both."""

from collections.abc import Sequence

import msgspec
from google.protobuf.struct_pb2 import Value

from services.gen.segops.ingestion.v1 import ingestion_pb2 as pb
from services.ingestion import bodies
from services.ingestion.batches import MAX_EVENTS
from services.ingestion.intake import Taken
from services.kit.errors import Invalid
from services.kit.wire import plain


def texts_of(events: Sequence[pb.Event], what: str = "a request") -> list[bytes]:
    """The events as compact JSON texts. Raises Invalid, naming `what` holds them, unless they are 1 to 500."""
    if not 1 <= len(events) <= MAX_EVENTS:
        raise Invalid(detail=f"Send 1 to {MAX_EVENTS} events in {what}, not {len(events)}.")
    return [_text(event) for event in events]


def result_of(taken: Taken) -> pb.TrackEventsResponse:
    """What became of the events, as their sender is told."""
    skipped = [
        pb.SkippedEvent(index=refused.place, error=refused.message)
        for refused in sorted(taken.refused, key=lambda refused: refused.place)
    ]
    return pb.TrackEventsResponse(queued=taken.queued, duplicate=taken.duplicate, skipped=skipped)


def _text(event: pb.Event) -> bytes:
    fields: dict[str, object] = {
        "user_id": event.user_id,
        "event_type": event.event_type,
        "anonymous_id": event.anonymous_id,
        "message_id": event.message_id,
    }
    if event.HasField("occurred_at"):
        fields["occurred_at"] = _time(event)
    if payload := event.WhichOneof("payload"):
        fields["payload"] = _json(event.payload_json) if payload == "payload_json" else _plain(event)
    return msgspec.json.encode(fields)


def _time(event: pb.Event) -> str:
    try:
        return event.occurred_at.ToJsonString()
    except ValueError:  # outside the years 1 to 9999
        return "out of range"


def _plain(event: pb.Event) -> object:
    return plain(Value(struct_value=event.properties))


def _json(text: str) -> object:
    try:
        return msgspec.Raw(bodies.compact(text.encode()))
    except Invalid:
        return text  # as a string: no object, which is what the parser then says

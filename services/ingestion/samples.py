"""Events that are looked at and not taken: all that counts is their type and payload."""

from datetime import UTC, datetime

from services.ingestion.batches import parse_batch
from services.ingestion.bodies import compact
from services.ingestion.events import Event, parse_event
from services.kit.errors import Invalid

# So that they need no user.
NOBODY = "-"


def sent_event(body: bytes) -> Event:
    """The event type and payload in a JSON body. Raises Invalid with every wrong field."""
    text = compact(body)
    if not text.startswith(b"{"):
        raise Invalid(detail="The body must be a JSON object.")
    return parse_event(text, datetime.now(UTC), NOBODY)


def sent_events(body: bytes) -> list[tuple[str, str]]:
    """Event type and payload of each event in a JSON body. Raises Invalid with every wrong field of all events."""
    batch = parse_batch(compact(body), datetime.now(UTC), NOBODY)
    wrong = [
        f"[{refused.place}].{name}: {text}"
        for refused in batch.refused
        for name, texts in refused.error.fields.items()
        for text in texts
    ]
    if wrong:
        raise Invalid({"events": wrong})
    columns = batch.columns
    # A batch has its unusual events at the end.
    in_order = sorted(zip(batch.places, columns.event_types, columns.payloads, strict=True))
    return [(event_type, payload) for _, event_type, payload in in_order]

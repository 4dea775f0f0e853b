"""Which calls of the tracking API say which user a visitor is."""

from datetime import datetime

import msgspec

from services.ingestion.events import parse_event
from services.ingestion.tracking_calls import Fields, text_of
from services.kit.errors import Invalid
from services.kit.visitor_links import ANONYMOUS, Pair

# What a call of a kind calls the visitor.
_VISITORS = {"identify": "anonymousId", "alias": "previousId"}

# Whose visitor is to be looked at.
_VISIT = {"event_type": "visit"}
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def link_in(call: bytes, kind_name: str, event: bytes, now: datetime) -> Pair | None:
    """The visitor and the user of a call that names both, given with the event it becomes; None of any other call.

    Of a call that is not valid either: it is not taken.
    """
    if not call.startswith(b"{"):
        return None
    fields: Fields = _FIELDS.decode(call)
    visitor = text_of(fields, _VISITORS.get(kind_name or text_of(fields, "type"), ""))
    if not visitor or not text_of(fields, "userId"):
        return None
    try:
        user_id = parse_event(event, now).user_id
        # As the user id that the visitor's events have, if there can be any.
        visitor_id = parse_event(msgspec.json.encode({**_VISIT, "user_id": ANONYMOUS + visitor}), now).user_id
    except Invalid:
        return None
    return visitor_id, user_id

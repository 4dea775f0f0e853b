"""Calls of Segment's tracking API as events: each becomes the compact JSON text of one, whose parser judges it.

Source: Segment's documentation, "HTTP Tracking API" and "Segment Spec".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.ingestion.batches import Refused
from services.ingestion.events import REQUIRED, parse_event
from services.kit.errors import Invalid
from services.kit.visitor_links import ANONYMOUS

Fields = Mapping[str, msgspec.Raw]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ABSENT = msgspec.Raw(b"null")
_NO_ID = (b"null", b'""')
# Some libraries write an empty object as a list.
_EMPTY = (*_NO_ID, b"{}", b"[]")

# What our fields are called in a call.
_NAMES = {
    "user_id": "userId",
    "event_type": "event",
    "occurred_at": "timestamp",
    "anonymous_id": "anonymousId",
    "message_id": "messageId",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of call.

    `event_type` is empty when the call says it, `payload_name` is what the call names the payload, and `needed` a field
    that there must be beside the user.
    """

    event_type: str
    payload: Callable[[Fields], object]
    payload_name: str
    needed: str = ""


def read_call(call: bytes, kind_name: str, place: int, now: datetime) -> bytes | Refused:
    """The event in a call, which is a compact JSON text; of the kind it says it is, when `kind_name` is empty."""
    if not call.startswith(b"{"):
        return call
    fields = _FIELDS.decode(call)
    kind = KINDS.get(kind_name or text_of(fields, "type"))
    if kind is None:
        wrong = {"type": [f"Must be one of {', '.join(KINDS)}."]}
        return Refused(place=place, text=_event(_OF_NO_KIND, fields), error=Invalid(wrong))
    event = _event(kind, fields)
    if not kind.needed or text_of(fields, kind.needed):
        return event
    wrong = {kind.needed: ["Must be a string." if _is_given(fields, kind.needed) else REQUIRED]}
    try:
        parse_event(event, now)
    except Invalid as error:
        wrong |= as_sent(error, kind).fields
    return Refused(place=place, text=event, error=Invalid(wrong))


def as_sent(error: Invalid, kind: Kind) -> Invalid:
    """The wrong fields of an event under the names that they have in a call."""
    names = {**_NAMES, "payload": kind.payload_name}
    return Invalid({names.get(name, name): messages for name, messages in error.fields.items()})


def _event(kind: Kind, fields: Fields) -> bytes:
    return msgspec.json.encode(
        {
            "user_id": _user_id(fields),
            "event_type": kind.event_type or fields.get("event"),
            "occurred_at": fields.get("timestamp"),
            "payload": kind.payload(fields),
            "anonymous_id": _id(fields, "anonymousId"),
            "message_id": _id(fields, "messageId"),
        }
    )


def _user_id(fields: Fields) -> object:
    if bytes(fields.get("userId", _ABSENT)) in _NO_ID and (anonymous_id := text_of(fields, "anonymousId")):
        return ANONYMOUS + anonymous_id
    return _id(fields, "userId")


def _properties(fields: Fields, *beside: str) -> object:
    """The properties of a call, with what is given `beside` them where they do not have it."""
    given = {name: fields[name] for name in beside if _is_given(fields, name)}
    if not _is_given(fields, "properties"):
        return given
    properties = fields["properties"]
    # The parser tells what is wrong with a list or a text.
    return given | _FIELDS.decode(properties) if bytes(properties).startswith(b"{") else properties


def _traits(fields: Fields) -> object:
    """The traits of a call; some libraries put them into its context."""
    if _is_given(fields, "traits"):
        return fields["traits"]
    context = fields.get("context", _ABSENT)
    nested = _FIELDS.decode(context) if bytes(context).startswith(b"{") else {}
    return nested["traits"] if _is_given(nested, "traits") else {}


def _group(fields: Fields) -> object:
    group = {"group_id": text_of(fields, "groupId"), "traits": fields["traits"] if _is_given(fields, "traits") else {}}
    return {**group, "context": fields["context"]} if _is_given(fields, "context") else group


KINDS = {
    "track": Kind(event_type="", payload=lambda fields: _properties(fields, "context"), payload_name="properties"),
    "identify": Kind(event_type="context_identified", payload=_traits, payload_name="traits"),
    "page": Kind(
        event_type="page_viewed",
        payload=lambda fields: _properties(fields, "name", "category", "context"),
        payload_name="properties",
    ),
    "screen": Kind(
        event_type="screen_viewed",
        payload=lambda fields: _properties(fields, "name", "category", "context"),
        payload_name="properties",
    ),
    "group": Kind(event_type="group_joined", payload=_group, payload_name="traits", needed="groupId"),
    "alias": Kind(
        event_type="user_aliased",
        payload=lambda fields: {"previous_id": text_of(fields, "previousId")},
        payload_name="previousId",
        needed="previousId",
    ),
}
_OF_NO_KIND = Kind(event_type="", payload=lambda _: {}, payload_name="")


def _is_given(fields: Fields, name: str) -> bool:
    return bytes(fields.get(name, _ABSENT)) not in _EMPTY


def text_of(fields: Fields, name: str) -> str:
    """A text, or a number as text; empty for what is neither."""
    raw = bytes(fields.get(name, _ABSENT))
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return raw.decode() if raw[:1] == b"-" or raw[:1].isdigit() else ""


def _id(fields: Fields, name: str) -> object:
    """An id as a text, which may have been sent as a number; what is neither as it is, for the parser to refuse."""
    return text_of(fields, name) or fields.get(name)

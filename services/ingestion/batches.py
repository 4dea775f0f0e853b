"""Batches: a fast way for those in which nothing is unusual, and event by event for all others.

The fast way may decline any batch, but what it takes it must treat as `parse_event` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from services.ingestion import events, times
from services.ingestion.bodies import LONE_SURROGATE
from services.ingestion.events import REQUIRED, Event, parse_event
from services.ingestion.rows import Columns
from services.kit.errors import Invalid
from services.kit.texts import CONTROL

MAX_EVENTS = 500

_NOTHING = msgspec.Raw(b"{}")
_ABSENT = msgspec.Raw(b"")


class _Event(msgspec.Struct, gc=False):
    user_id: Annotated[str, Meta(min_length=1, max_length=events.MAX_USER_ID)]
    event_type: Annotated[str, Meta(min_length=1, max_length=events.MAX_EVENT_TYPE)]
    occurred_at: str | None = None
    payload: msgspec.Raw = _NOTHING
    anonymous_id: Annotated[str, Meta(max_length=events.MAX_ANONYMOUS_ID)] | None = None
    message_id: Annotated[str, Meta(max_length=events.MAX_MESSAGE_ID)] | None = None


class _Batch(msgspec.Struct, gc=False):
    events: Annotated[list[_Event], Meta(min_length=1, max_length=MAX_EVENTS)]


_EVENT = msgspec.json.Decoder(_Event)
_BATCH = msgspec.json.Decoder(_Batch)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Reads one element more than allowed and skips the rest: a list of any length costs no memory.
_WINDOW = msgspec.json.Decoder(
    msgspec.defstruct(
        "Window", [(f"event_{index}", msgspec.Raw, _ABSENT) for index in range(MAX_EVENTS + 1)], array_like=True
    )
)

# Digits to 0, exponent letters to e, what ends a number to a comma; plus signs are left out.
_KINDS = bytes.maketrans(b"123456789E]}", b"000000000e,,")
# Only an exponent of three digits or hundreds of digits can leave a double's range.
_LARGE_EXPONENT = b"e000"
_MANY_DIGITS = b"0" * 200
_ALL_BUT_BRACKETS = bytes(code for code in range(256) if code not in b"{[\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """An invalid event: its place in the request, its text and every wrong field."""

    place: int
    text: bytes
    error: Invalid

    @property
    def message(self) -> str:
        """What is wrong, with the names of the fields."""
        return " ".join(f"{name}: {' '.join(texts)}" for name, texts in self.error.fields.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The valid events of a batch by column, with the place of each in the request, and the invalid ones."""

    columns: Columns
    places: Sequence[int]
    refused: Sequence[Refused]


def parse_batch(body: bytes, received_at: datetime, uid: str = "") -> Batch:
    """The events in a compact body; all of the user `uid`, when given. Raises Invalid when the body is no batch."""
    try:
        columns = _plain_columns(_BATCH.decode(body).events, received_at) if LONE_SURROGATE not in body else None
    except msgspec.ValidationError:
        columns = None
    if columns is None:
        return _sifted(texts_in(body, "events", "events"), received_at, uid)
    count = len(columns.user_ids)
    return Batch(columns=_owned(columns, uid), places=range(count), refused=())


def parse_events(texts: Sequence[bytes], received_at: datetime, uid: str = "") -> Batch:
    """The events in some compact JSON texts, looked at one by one."""
    return _one_by_one(list(enumerate(texts)), received_at, uid)


def texts_in(body: bytes, name: str, what: str) -> list[bytes]:
    """The 1 to 500 elements of the list `name` in a compact body. Raises Invalid, in which they are called `what`."""
    try:
        sent = bytes(_FIELDS.decode(body).get(name, b"null"))
    except msgspec.ValidationError as error:
        raise Invalid(detail="The body must be a JSON object.") from error
    if sent == b"null":
        raise Invalid({name: [REQUIRED]})
    if not sent.startswith(b"["):
        raise Invalid({name: ["Must be a list."]})
    window = _WINDOW.decode(sent)
    texts = [text for text in map(bytes, astuple(window)) if text]
    if not 1 <= len(texts) <= MAX_EVENTS:
        raise Invalid({name: [f"Send 1 to {MAX_EVENTS} {what}."]})
    return texts


def _sifted(texts: list[bytes], received_at: datetime, uid: str) -> Batch:
    plain, places, others = [], [], []
    for place, text in enumerate(texts):
        try:
            plain.append(_EVENT.decode(text))
            places.append(place)
        except msgspec.ValidationError:
            others.append((place, text))
    columns = _plain_columns(plain, received_at) if plain and LONE_SURROGATE not in b"".join(texts) else None
    if columns is None:
        return parse_events(texts, received_at, uid)
    rest = _one_by_one(others, received_at, uid)
    return Batch(
        columns=Columns(*map(_joined, _owned(columns, uid), rest.columns)),
        places=[*places, *rest.places],
        refused=rest.refused,
    )


def _owned(columns: Columns, uid: str) -> Columns:
    return columns._replace(user_ids=[uid] * len(columns.user_ids)) if uid else columns


def _plain_columns(batch: list[_Event], received_at: datetime) -> Columns | None:
    user_ids, event_types, sent, raw_payloads, *optional_ids = zip(*map(astuple, batch), strict=True)
    anonymous_ids, message_ids = map(_or_empty, optional_ids)
    names = "".join([*user_ids, *event_types, *anonymous_ids, *message_ids])
    if not names.isprintable() and CONTROL.search(names):
        return None
    payloads = [str(payload, "utf-8") for payload in raw_payloads]
    occurred_at = _moments(sent, received_at)
    if occurred_at is None or not _are_plain(payloads):
        return None
    return Columns(
        user_ids=user_ids,
        event_types=event_types,
        occurred_at=occurred_at,
        payloads=payloads,
        anonymous_ids=anonymous_ids,
        message_ids=message_ids,
    )


def _one_by_one(texts: Sequence[tuple[int, bytes]], received_at: datetime, uid: str) -> Batch:
    taken, places, refused = [], [], []
    for place, text in texts:
        try:
            taken.append(parse_event(text, received_at, uid))
            places.append(place)
        except Invalid as error:
            refused.append(Refused(place=place, text=text, error=error))
    return Batch(columns=_columns_of(taken), places=places, refused=refused)


def _columns_of(taken: Sequence[Event]) -> Columns:
    """Events by column."""
    return Columns(*zip(*taken, strict=True)) if taken else Columns((), (), (), (), (), ())


def _joined(first: Sequence[str], second: Sequence[str]) -> Sequence[str]:
    return [*first, *second]


def _or_empty(values: Sequence[str | None]) -> Sequence[str]:
    return [value or "" for value in values] if any(values) else [""] * len(values)


def _moments(sent: Sequence[str | None], received_at: datetime) -> Sequence[str] | None:
    texts = [text for text in sent if text is not None]
    received = times.utc_text(received_at)
    if not texts:
        return [received] * len(sent)
    try:
        moments = times.parse_times(texts)
    except ValueError:
        return None
    if max(moments) > times.latest(received_at) or min(moments) < times.EARLIEST:
        return None
    if len(texts) == len(sent):
        return moments
    parsed = iter(moments)
    return [received if text is None else next(parsed) for text in sent]


def _are_plain(payloads: Sequence[str]) -> bool:
    if any(payload[0] != "{" for payload in payloads):
        return False
    joined = "\n".join(payloads).encode()
    # Not fewer opening brackets than levels; mostly far fewer than allowed.
    brackets = joined.translate(None, _ALL_BUT_BRACKETS).split(b"\n")
    if max(map(len, brackets)) > events.MAX_PAYLOAD_LEVELS:
        return False
    # Four bytes a character at most.
    if max(map(len, payloads)) > events.MAX_PAYLOAD_BYTES // 4:
        return False
    kinds = joined.translate(_KINDS, b"+")
    # Ids in hexadecimal digits have such exponents too, but they end with a quote.
    after_exponents = kinds.split(_LARGE_EXPONENT)[1:]
    return _MANY_DIGITS not in kinds and not any(text.lstrip(b"0").startswith(b",") for text in after_exponents)

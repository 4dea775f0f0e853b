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
from services.ingestion.events import CONTROL, REQUIRED, Event, parse_event
from services.ingestion.rows import Columns
from services.kit.errors import Invalid

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
    """An invalid event: its text and every wrong field."""

    text: bytes
    error: Invalid


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The valid events of a batch by column, and the invalid ones."""

    columns: Columns
    refused: Sequence[Refused]


def parse_batch(body: bytes, received_at: datetime) -> Batch:
    """The events in a compact body. Raises Invalid when the body is no batch."""
    try:
        columns = _plain_columns(_BATCH.decode(body).events, received_at) if LONE_SURROGATE not in body else None
    except msgspec.ValidationError:
        columns = None
    if columns is not None:
        return Batch(columns=columns, refused=())
    return _sifted(_texts(body), received_at)


def _sifted(texts: list[bytes], received_at: datetime) -> Batch:
    plain, others = [], []
    for text in texts:
        try:
            plain.append(_EVENT.decode(text))
        except msgspec.ValidationError:
            others.append(text)
    columns = _plain_columns(plain, received_at) if plain and LONE_SURROGATE not in b"".join(texts) else None
    if columns is None:
        return _one_by_one(texts, received_at)
    rest = _one_by_one(others, received_at)
    return Batch(columns=Columns(*map(_joined, columns, rest.columns)), refused=rest.refused)


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


def _one_by_one(texts: list[bytes], received_at: datetime) -> Batch:
    taken, refused = [], []
    for text in texts:
        try:
            taken.append(parse_event(text, received_at))
        except Invalid as error:
            refused.append(Refused(text=text, error=error))
    return Batch(columns=columns_of(taken), refused=refused)


def columns_of(taken: Sequence[Event]) -> Columns:
    """Events by column."""
    return Columns(*zip(*taken, strict=True)) if taken else Columns((), (), (), (), (), ())


def _joined(first: Sequence[str], second: Sequence[str]) -> Sequence[str]:
    return [*first, *second]


def _or_empty(values: Sequence[str | None]) -> Sequence[str]:
    return [value or "" for value in values] if any(values) else [""] * len(values)


def _texts(body: bytes) -> list[bytes]:
    try:
        sent = bytes(_FIELDS.decode(body).get("events", b"null"))
    except msgspec.ValidationError as error:
        raise Invalid(detail="The body must be a JSON object.") from error
    if sent == b"null":
        raise Invalid({"events": [REQUIRED]})
    if not sent.startswith(b"["):
        raise Invalid({"events": ["Must be a list."]})
    window = _WINDOW.decode(sent)
    texts = [text for text in map(bytes, astuple(window)) if text]
    if not 1 <= len(texts) <= MAX_EVENTS:
        raise Invalid({"events": [f"Send 1 to {MAX_EVENTS} events."]})
    return texts


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

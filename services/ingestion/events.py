"""What an event may be: every rule of one event, each wrong field with its message."""

import re
from datetime import datetime
from math import isinf
from typing import NamedTuple

import msgspec

from services.ingestion import times
from services.ingestion.bodies import LONE_SURROGATE
from services.kit.errors import Invalid
from services.kit.texts import CONTROL

MAX_USER_ID = 256
MAX_EVENT_TYPE = 128
MAX_ANONYMOUS_ID = 256
MAX_MESSAGE_ID = 128
MAX_PAYLOAD_BYTES = 32 * 1024
MAX_PAYLOAD_LEVELS = 16

REQUIRED = "This field is required."
NO_PARTNER = "Surrogates must come in pairs."

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_ABSENT = msgspec.Raw(b"null")
# Only such can leave a double's range; found in strings as well.
_LONG_NUMBER = re.compile(r"[eE]\+?[0-9]{3}|[0-9]{200}")
# Strings are matched to pass over them; the group is a number with a fraction or an exponent, or a bracket.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|[][{}])')


class Event(NamedTuple):
    """A valid event; the time is the warehouse's text, the payload compact JSON text, ids that were not sent empty."""

    user_id: str
    event_type: str
    occurred_at: str
    payload: str
    anonymous_id: str
    message_id: str


def parse_event(text: bytes, received_at: datetime, uid: str = "") -> Event:
    """The event in a compact JSON text; of the user `uid`, when given, whatever the text says.

    Raises Invalid with every wrong field.
    """
    try:
        fields = _FIELDS.decode(text)
    except msgspec.ValidationError as error:
        raise Invalid({"event": ["Must be an object."]}) from error
    wrong: dict[str, list[str]] = {}

    def text_of(name: str, limit: int, *, required: bool = False) -> str:
        value, message = _check_text(bytes(fields.get(name, _ABSENT)), limit, required=required)
        if message:
            wrong[name] = [message]
        return value

    event = Event(
        user_id=uid or text_of("user_id", MAX_USER_ID, required=True),
        event_type=text_of("event_type", MAX_EVENT_TYPE, required=True),
        occurred_at=_moment(bytes(fields.get("occurred_at", _ABSENT)), received_at, wrong),
        payload=_payload(bytes(fields.get("payload", _ABSENT)), wrong),
        anonymous_id=text_of("anonymous_id", MAX_ANONYMOUS_ID),
        message_id=text_of("message_id", MAX_MESSAGE_ID),
    )
    if wrong:
        raise Invalid(wrong)
    return event


def shown(text: bytes, name: str, limit: int) -> str:
    """A field of an event as it was sent, for people to find it: cut to `limit`, empty when there was none."""
    if not text.startswith(b"{"):
        return ""
    raw = bytes(_FIELDS.decode(text).get(name, _ABSENT)).replace(LONE_SURROGATE, b"\\ufffd")
    if raw == b"null":
        return ""
    value = _TEXT.decode(raw) if raw.startswith(b'"') else raw.decode()
    return CONTROL.sub("\ufffd", value[:limit])


def _check_text(raw: bytes, limit: int, *, required: bool) -> tuple[str, str | None]:
    if raw == b"null" or raw == b'""':
        return "", REQUIRED if required else None
    try:
        value = _TEXT.decode(raw)
    except msgspec.ValidationError:
        return "", "Must be a string."
    if LONE_SURROGATE in raw:
        return "", NO_PARTNER
    if len(value) > limit:
        return "", f"Use {limit} characters or fewer."
    if CONTROL.search(value):
        return "", "Control characters are not allowed."
    return value, None


def _moment(raw: bytes, received_at: datetime, wrong: dict[str, list[str]]) -> str:
    if raw == b"null":
        return times.utc_text(received_at)
    try:
        moment = times.parse_time(_TEXT.decode(raw))
    except ValueError:  # msgspec's errors are too
        wrong["occurred_at"] = ["Must be an RFC 3339 time, such as 2026-04-25T14:32:00Z."]
        return ""
    if moment > times.latest(received_at):
        wrong["occurred_at"] = ["Must not be more than 24 hours ahead."]
    elif moment < times.EARLIEST:
        wrong["occurred_at"] = ["Must not be before 1970."]
    return moment


def _payload(raw: bytes, wrong: dict[str, list[str]]) -> str:
    if raw == b"null":
        return "{}"
    text = raw.decode()
    if not text.startswith("{"):
        wrong["payload"] = ["Must be an object."]
    elif LONE_SURROGATE in raw:
        wrong["payload"] = [NO_PARTNER]
    elif messages := _check_tokens(text) + _check_size(raw):
        wrong["payload"] = messages
    return text


def _check_size(raw: bytes) -> list[str]:
    # Text sent with \\u escapes has the size of its characters, whatever the sender's encoder prefers.
    if len(raw) > MAX_PAYLOAD_BYTES and (b"\\u" not in raw or _unescaped_size(raw) > MAX_PAYLOAD_BYTES):
        return [f"Use {MAX_PAYLOAD_BYTES} bytes of JSON or fewer."]
    return []


def _check_tokens(text: str) -> list[str]:
    if text.count("{") + text.count("[") <= MAX_PAYLOAD_LEVELS and not _LONG_NUMBER.search(text):
        return []
    level = deepest = 0
    too_large = False
    for match in _TOKEN.finditer(text):
        token = match[1]
        if token is None:
            continue
        if token in "{[":
            level += 1
            deepest = max(deepest, level)
        elif token in "]}":
            level -= 1
        elif not token.lstrip("-").isdigit():
            # Beyond a double it would make the whole document unreadable in the warehouse; integers may have any size.
            too_large = too_large or isinf(float(token))
    messages = [f"Use {MAX_PAYLOAD_LEVELS} levels or fewer."] if deepest > MAX_PAYLOAD_LEVELS else []
    return [*messages, "Numbers must fit a double."] if too_large else messages


def _unescaped_size(raw: bytes) -> int:
    return len(re.sub(rb"\\u[0-9a-fA-F]{4}|\\.", _utf8_length, raw))


def _utf8_length(escape: re.Match[bytes]) -> bytes:
    if len(escape[0]) == 2:
        return escape[0]
    code = int(escape[0].removeprefix(b"\\u"), base=16)
    if 0xD800 <= code <= 0xDFFF:
        return b"xx"  # half of a pair, which takes four bytes
    return b"x" * (6 if code < 0x20 else 1 if code < 0x80 else 2 if code < 0x800 else 3)

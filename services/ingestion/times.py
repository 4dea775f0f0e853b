"""Times of events: RFC 3339 text in, the warehouse's `YYYY-MM-DD hh:mm:ss.mmm` in UTC out."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

# What the warehouse can store and what a clock that is ahead may send.
EARLIEST = "1970-01-01 00:00:00.000"
MAX_AHEAD = timedelta(hours=24)

# Texts in UTC, or without offset, whose fraction can simply be cut to milliseconds, and how they end; 0 stands for any
# digit.
_UTC_SHAPES = {
    ("0000-00-00T00:00:00" + ("." + "0" * digits if digits else "") + suffix).encode(): suffix.encode()
    for digits in range(7)
    for suffix in ("Z", "+00:00", "")
}
_SHAPE = bytes.maketrans(b"123456789", b"000000000")
# datetime keeps six digits; more would be rounded, and into the next second.
_LENGTH_WITH_MICROSECONDS = 26
_LONG_FRACTION = re.compile(r"(\.[0-9]{6})[0-9]+")
_TIMES = msgspec.json.Decoder(list[datetime])


def utc_text(moment: datetime) -> str:
    """A moment as warehouse text, cut to milliseconds; a naive one is UTC. Raises OverflowError after year 9999."""
    if moment.tzinfo not in (None, UTC):
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "milliseconds")[:23]


def latest(now: datetime) -> str:
    """The last time an event may have when it is received at `now`."""
    return utc_text(now + MAX_AHEAD)


def parse_time(text: str) -> str:
    """The warehouse's text of an RFC 3339 time, or of one without offset. Raises ValueError."""
    try:
        if len(text) > _LENGTH_WITH_MICROSECONDS:
            text = _LONG_FRACTION.sub(r"\1", text)
        return utc_text(msgspec.convert(text, datetime))
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(f"{text!r} is not an RFC 3339 time") from error


def parse_times(texts: Sequence[str]) -> Sequence[str]:
    """`parse_time` of each; ten times as fast when all are written alike and in UTC. Raises ValueError."""
    joined = ",".join(texts).encode()
    first = texts[0].encode().translate(_SHAPE)
    suffix = _UTC_SHAPES.get(first)
    if suffix is None or joined.translate(_SHAPE) != b",".join([first] * len(texts)):
        return [parse_time(text) for text in texts]
    if joined.count(suffix) < len(texts):  # another offset
        return [parse_time(text) for text in texts]
    try:
        _TIMES.decode(b'["' + joined.replace(b",", b'","') + b'"]')
    except msgspec.ValidationError as error:
        raise ValueError("a time does not exist") from error
    fraction = first.removesuffix(suffix)[19:23].decode()
    end, padding = 19 + len(fraction), ".000"[len(fraction) :]
    return [f"{text[:10]} {text[11:end]}{padding}" for text in texts]

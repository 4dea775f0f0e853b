"""What a JSON value is: its number, its text form, its time."""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

MISSING = object()

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def look_up(document: object, name: str) -> object:
    """The value at a dotted name; MISSING where an object on the way is missing or is none."""
    for part in name.split("."):
        if not isinstance(document, dict) or part not in document:
            return MISSING
        document = document[part]
    return document


def number_of(value: object) -> float | None:
    """The finite number that a JSON number or text is."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not NUMBER.fullmatch(value):
            return None
        value = float(value)
    if isinstance(value, int | float) and math.isfinite(float(value)):
        return float(value)
    return None


def text_of(value: object) -> str | None:
    """The text form of text, a boolean or a number."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _text_of_float(value)
        case _:
            return None


def _text_of_float(value: float) -> str:
    """Shortest digits, plain from 1e-6 up to 1e21 and with an exponent outside."""
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    if 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(repr(value)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    mantissa = "".join(map(str, digits))
    power = int(exponent) + len(mantissa) - 1
    return f"{'-' * sign}{mantissa[0]}{'.' if mantissa[1:] else ''}{mantissa[1:]}e{power}"


def time_of(value: object) -> int | None:
    """Microseconds since 1970 of an RFC 3339 text."""
    found = TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    *whole, fraction, offset = found.groups()
    try:
        year, month, day, hour, minute, second = (int(part) for part in whole)
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    if offset in (None, "Z", "z"):
        east = timedelta(0)
    else:
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        if hours > 23 or minutes > 59:
            return None
        east = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    micros = int((fraction or ".0")[1:7].ljust(6, "0"))
    return (local - EPOCH - east) // timedelta(microseconds=1) + micros

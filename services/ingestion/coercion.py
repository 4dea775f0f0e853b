"""Values of declared properties: JSON texts in, JSON texts of the declared type out. Digits stay as they were sent."""

import re
from collections.abc import Callable, Mapping
from math import isfinite

import msgspec

from services.ingestion import times

_TEXT = msgspec.json.Decoder(str)
# What segment definitions take for a number, too.
_NUMBER = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*+)(?:\.([0-9]*+))?([eE][+-]?[0-9]++)?")
_KINDS: Mapping[str, str] = {'"': "string", "[": "array", "{": "object", "t": "boolean", "f": "boolean", "n": "null"}


def kind(value: str) -> str:
    """What a compact JSON text is: string, number, boolean, array, object or null."""
    return _KINDS.get(value[0], "number")


def is_number(value: str) -> bool:
    """Whether a JSON number fits a double."""
    return isfinite(float(value))


def is_time(value: str) -> bool:
    """Whether a JSON string is an RFC 3339 time, or one without offset."""
    try:
        times.parse_time(_TEXT.decode(value))
    except ValueError:
        return False
    return True


def _string(value: str) -> str | None:
    match kind(value):
        case "string":
            return value
        case "number" | "boolean":
            return f'"{value}"'
        case _:
            return None


def _number(value: str) -> str | None:
    match kind(value):
        case "number":
            return value if is_number(value) else None
        case "string":
            return _number_in(_TEXT.decode(value))
        case _:
            return None


def _number_in(text: str) -> str | None:
    """A text as the JSON number that it is: without a plus sign, leading zeros or a bare point."""
    match = _NUMBER.fullmatch(text)
    if match is None or not is_number(text):
        return None
    sign, whole, fraction, exponent = match.groups(default="")
    return f"{sign.strip('+')}{whole.lstrip('0') or '0'}{'.' if fraction else ''}{fraction}{exponent}"


def _boolean(value: str) -> str | None:
    text = _TEXT.decode(value).lower() if kind(value) == "string" else value
    return text if text in ("true", "false") else None


def _datetime(value: str) -> str | None:
    return value if kind(value) == "string" and is_time(value) else None


def _array(value: str) -> str | None:
    return value if kind(value) == "array" else None


# None for what cannot become a value of the type.
COERCIONS: Mapping[str, Callable[[str], str | None]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "datetime": _datetime,
    "array": _array,
}

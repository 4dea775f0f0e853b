"""RFC 3339 times: one pattern for definitions and for the text in events."""

import re
from datetime import UTC, datetime, timedelta

# Only ASCII digits, real hours, minutes and seconds (no leap second); months are not checked for their length here.
RFC3339 = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]"
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$"
)
_PATTERN = re.compile(RFC3339.removesuffix("$") + r"\Z")


def parse_time(text: str) -> datetime | None:
    """The instant in UTC, cut to microseconds, a time without offset taken as UTC; None for any other text."""
    match = _PATTERN.match(text)
    if match is None:
        return None
    fraction, offset = match[4] or ".0", match[5] or "Z"
    try:
        local = datetime.strptime(text[:10] + text[11:19], "%Y-%m-%d%H:%M:%S").replace(tzinfo=UTC)
        east = timedelta(0)
        if offset not in "Zz":
            east = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:])) * (-1 if offset[0] == "-" else 1)
        return local + timedelta(microseconds=int(fraction[1:7].ljust(6, "0"))) - east
    except (ValueError, OverflowError):  # 30 February; an offset that leads out of the years 1 to 9999
        return None

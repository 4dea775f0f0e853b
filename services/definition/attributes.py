"""What a segment may have beside its definition: each function says what is wrong with a decoded JSON value."""

import re

from services.definition.problems import kind

MAX_NAME = 200
MAX_DESCRIPTION = 2_000
MIN_REFRESH_MINUTES, MAX_REFRESH_MINUTES = 5, 10_080

REQUIRED = "This field is required."
CONTROL = "Control characters are not allowed."
# Inside the brackets of a regular expression.
CONTROL_CHARACTERS = r"\x00-\x1f\x7f-\x9f"
_CONTROL_CHARACTER = re.compile(f"[{CONTROL_CHARACTERS}]")


def has_control(text: str) -> bool:
    """Whether there is a control character in a text."""
    return _CONTROL_CHARACTER.search(text) is not None


def name_errors(value: object) -> list[str]:
    """A name: text of 1 to 200 characters, not blank."""
    if not isinstance(value, str):
        return [f"must be text, not {kind(value)}"]
    if not value.strip():
        return [REQUIRED]
    if len(value) > MAX_NAME:
        return [f"Use {MAX_NAME} characters or fewer."]
    return [CONTROL] if has_control(value) else []


def description_errors(value: object) -> list[str]:
    """A description: text of up to 2,000 characters."""
    if not isinstance(value, str):
        return [f"must be text, not {kind(value)}"]
    if len(value) > MAX_DESCRIPTION:
        return [f"Use {MAX_DESCRIPTION:,} characters or fewer."]
    # Line breaks and tabs are fine here, but PostgreSQL stores no NUL.
    return ["The NUL character is not allowed."] if "\0" in value else []


def refresh_minutes_errors(value: object) -> list[str]:
    """Minutes between scheduled computes: null, or a whole number from 5 to 10,080."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None or (is_whole and MIN_REFRESH_MINUTES <= value <= MAX_REFRESH_MINUTES):  # type: ignore[operator]
        return []
    return [f"must be null or a whole number from {MIN_REFRESH_MINUTES} to {MAX_REFRESH_MINUTES:,}"]


def is_active_errors(value: object) -> list[str]:
    """Whether a segment is in use: true or false."""
    return [] if isinstance(value, bool) else [f"must be true or false, not {kind(value)}"]

"""Checks of what a request asks for; a wrong field is added to `wrong` with its message."""

from datetime import datetime

from services.definition.attributes import CONTROL, has_control
from services.definition.times import parse_time

MAX_USER_ID = 256
MAX_EVENT_TYPE = 128

FieldErrors = dict[str, list[str]]


def check_text(name: str, value: str, limit: int, wrong: FieldErrors, *, required: bool = False) -> None:
    """A text of up to `limit` characters, none of them a control character."""
    if required and not value:
        wrong[name] = ["This field is required."]
    elif len(value) > limit:
        wrong[name] = [f"Use {limit} characters or fewer."]
    elif has_control(value):
        wrong[name] = [CONTROL]


def check_time(name: str, value: str, wrong: FieldErrors) -> datetime | None:
    """The RFC 3339 time in `value`, one without offset taken as UTC; None when there is none."""
    if not value:
        return None
    moment = parse_time(value)
    if moment is None:
        wrong[name] = ["Must be an RFC 3339 time, such as 2026-04-25T14:32:00Z."]
    return moment

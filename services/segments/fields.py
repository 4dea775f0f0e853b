"""What a segment's fields may hold. Every wrong field is reported at once."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from services.definition import DefinitionError, parse
from services.kit.errors import Invalid

MAX_NAME = 200
MAX_DESCRIPTION = 2_000
MAX_USER_ID = 256
MIN_REFRESH_MINUTES, MAX_REFRESH_MINUTES = 5, 10_080
SEGMENT_TYPES = ("rule", "ai", "lookalike")

REQUIRED = "This field is required."
CONTROL = "Control characters are not allowed."
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")

DEFAULTS: Mapping[str, object] = {
    "segment_type": "rule",
    "description": "",
    "definition": None,
    "is_active": True,
    "refresh_minutes": None,
}

Fields = Mapping[str, object]


def whole_segment(sent: Fields, tenant_id: int) -> dict[str, object]:
    """The columns of a whole segment: what was sent, and the default of what was not. Raises Invalid."""
    wrong = _wrong(sent, tenant_id)
    if "name" not in sent:
        wrong["name"] = [REQUIRED]
    return {**DEFAULTS, **_columns(sent, wrong)}


def changed_fields(sent: Fields, tenant_id: int) -> dict[str, object]:
    """The columns that were sent. Raises Invalid."""
    return _columns(sent, _wrong(sent, tenant_id))


def definition_errors(definition: object) -> list[str]:
    """Everything wrong in a definition, each text with its path."""
    try:
        parse(definition)
    except DefinitionError as error:
        return list(error.errors)
    return []


def number_errors(value: int, low: int, high: int) -> list[str]:
    """What is wrong with a number that has to lie between two others, both included."""
    return [] if low <= value <= high else [f"{value} is not between {low} and {high}"]


def user_id_errors(user_id: str) -> list[str]:
    """What is wrong with a user id: no event could have brought it in."""
    if not user_id:
        return [REQUIRED]
    if len(user_id) > MAX_USER_ID:
        return [f"Use {MAX_USER_ID} characters or fewer."]
    return [CONTROL] if _has_control(user_id) else []


def search_errors(search: str) -> dict[str, list[str]]:
    """What is wrong with a text to search names for, as field errors."""
    return {"search": [CONTROL]} if _has_control(search) else {}


def raise_wrong(**errors: list[str]) -> None:
    """Raises Invalid when some field has errors."""
    wrong = {name: messages for name, messages in errors.items() if messages}
    if wrong:
        raise Invalid(wrong)


def _wrong(sent: Fields, tenant_id: int) -> dict[str, list[str]]:
    wrong = {name: check(sent[name]) for name, check in _CHECKS.items() if name in sent}
    if sent.get("tenant", tenant_id) != tenant_id:
        wrong["tenant"] = ["This is not the tenant of your request."]
    return {name: messages for name, messages in wrong.items() if messages}


def _columns(sent: Fields, wrong: Mapping[str, list[str]]) -> dict[str, object]:
    if wrong:
        raise Invalid(wrong)
    return {name: value for name, value in sent.items() if name in _CHECKS}


def _name(value: str) -> list[str]:
    if not value.strip():
        return [REQUIRED]
    if len(value) > MAX_NAME:
        return [f"Use {MAX_NAME} characters or fewer."]
    return [CONTROL] if _has_control(value) else []


def _segment_type(value: str) -> list[str]:
    return [] if value in SEGMENT_TYPES else [f"{value[:40]!r} is not one of {', '.join(SEGMENT_TYPES)}"]


def _description(value: str) -> list[str]:
    if len(value) > MAX_DESCRIPTION:
        return [f"Use {MAX_DESCRIPTION:,} characters or fewer."]
    # Line breaks and tabs are fine here, but PostgreSQL stores no NUL.
    return ["The NUL character is not allowed."] if "\0" in value else []


def _definition(value: object) -> list[str]:
    return [] if value is None else definition_errors(value)


def _refresh_minutes(value: object) -> list[str]:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is None or (is_whole and MIN_REFRESH_MINUTES <= value <= MAX_REFRESH_MINUTES):  # type: ignore[operator]
        return []
    return [f"must be null or a whole number from {MIN_REFRESH_MINUTES} to {MAX_REFRESH_MINUTES:,}"]


def _is_active(_: bool) -> list[str]:
    return []


def _has_control(value: str) -> bool:
    return CONTROL_CHARACTER.search(value) is not None


_CHECKS: Mapping[str, Callable[[Any], list[str]]] = {
    "name": _name,
    "segment_type": _segment_type,
    "description": _description,
    "definition": _definition,
    "is_active": _is_active,
    "refresh_minutes": _refresh_minutes,
}

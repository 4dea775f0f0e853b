"""What a segment's fields may hold. Every wrong field is reported at once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.definition import DefinitionError, parse
from services.definition.attributes import (
    CONTROL,
    REQUIRED,
    description_errors,
    has_control,
    is_active_errors,
    name_errors,
    refresh_minutes_errors,
)
from services.definition.times import parse_time
from services.kit.errors import Invalid

MAX_USER_ID = 256
SEGMENT_TYPES = ("rule", "ai", "lookalike")

DEFAULTS: Mapping[str, object] = {
    "segment_type": "rule",
    "description": "",
    "definition": None,
    "is_active": True,
    "refresh_minutes": None,
}

Fields = Mapping[str, object]


def whole_segment(sent: Fields, tenant_id: int, wrong_references: Sequence[str] = ()) -> dict[str, object]:
    """The columns of a whole segment: what was sent, and the default of what was not.

    `wrong_references` are errors of its definition that are known already. Raises Invalid with every wrong field.
    """
    wrong = _wrong(sent, tenant_id, wrong_references)
    if "name" not in sent:
        wrong["name"] = [REQUIRED]
    return {**DEFAULTS, **_columns(sent, wrong)}


def changed_fields(sent: Fields, tenant_id: int, wrong_references: Sequence[str] = ()) -> dict[str, object]:
    """The columns that were sent; the rest is as in `whole_segment`."""
    return _columns(sent, _wrong(sent, tenant_id, wrong_references))


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


def time_errors(text: str, *, latest: datetime | None = None) -> list[str]:
    """What is wrong with a time, if there is one, that must not lie after `latest`."""
    moment = parse_time(text)
    if text and moment is None:
        return ["must be an RFC 3339 time such as 2026-04-25T14:32:00Z"]
    return ["must not lie in the future"] if moment and latest and moment > latest else []


def user_id_errors(user_id: str) -> list[str]:
    """What is wrong with a user id: no event could have brought it in."""
    if not user_id:
        return [REQUIRED]
    if len(user_id) > MAX_USER_ID:
        return [f"Use {MAX_USER_ID} characters or fewer."]
    return [CONTROL] if has_control(user_id) else []


def search_errors(search: str) -> dict[str, list[str]]:
    """What is wrong with a text to search names for, as field errors."""
    return {"search": [CONTROL]} if has_control(search) else {}


def raise_wrong(**errors: list[str]) -> None:
    """Raises Invalid when some field has errors."""
    wrong = {name: messages for name, messages in errors.items() if messages}
    if wrong:
        raise Invalid(wrong)


def _wrong(sent: Fields, tenant_id: int, wrong_references: Sequence[str]) -> dict[str, list[str]]:
    wrong = {name: check(sent[name]) for name, check in _CHECKS.items() if name in sent}
    if sent.get("tenant", tenant_id) != tenant_id:
        wrong["tenant"] = ["This is not the tenant of your request."]
    if wrong_references:
        wrong["definition"] = list(wrong_references)
    return {name: messages for name, messages in wrong.items() if messages}


def _columns(sent: Fields, wrong: Mapping[str, list[str]]) -> dict[str, object]:
    if wrong:
        raise Invalid(wrong)
    return {name: value for name, value in sent.items() if name in _CHECKS}


def _segment_type(value: str) -> list[str]:
    return [] if value in SEGMENT_TYPES else [f"{value[:40]!r} is not one of {', '.join(SEGMENT_TYPES)}"]


def _definition(value: object) -> list[str]:
    return [] if value is None else definition_errors(value)


_CHECKS: Mapping[str, Callable[[Any], list[str]]] = {
    "name": name_errors,
    "segment_type": _segment_type,
    "description": description_errors,
    "definition": _definition,
    "is_active": is_active_errors,
    "refresh_minutes": refresh_minutes_errors,
}

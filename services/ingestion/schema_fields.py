"""What the fields of a schema may hold. Every wrong field is reported at once."""

from collections.abc import Callable, Mapping
from typing import Any

from services.definition.attributes import CONTROL, REQUIRED, has_control
from services.definition.fields import Fields as Keys
from services.definition.problems import kind, shown, wrong
from services.ingestion.coercion import COERCIONS
from services.ingestion.events import MAX_EVENT_TYPE
from services.kit.errors import Invalid

MAX_PROPERTIES = 200
MAX_NAME = 256

Fields = Mapping[str, Any]


def whole_schema(sent: Fields) -> dict[str, Any]:
    """The columns of a whole schema. Raises Invalid with every wrong field."""
    return changed_fields({name: sent.get(name) for name in _READERS})


def changed_fields(sent: Fields) -> dict[str, Any]:
    """The columns of the fields that were sent. Raises Invalid with every wrong field."""
    errors: dict[str, list[str]] = {}
    columns = {name: read(sent[name], errors.setdefault(name, [])) for name, read in _READERS.items() if name in sent}
    if found := {name: texts for name, texts in errors.items() if texts}:
        raise Invalid(found)
    return columns


def is_name(text: str) -> bool:
    """Whether a property can be declared under this name."""
    return 1 <= len(text) <= MAX_NAME and not has_control(text)


def _event_type(value: object, errors: list[str]) -> object:
    errors += _text_errors(value, MAX_EVENT_TYPE)
    return value


def _text_errors(value: object, limit: int) -> list[str]:
    if value is None or value == "":
        return [REQUIRED]
    if not isinstance(value, str):
        return [f"Must be text, not {kind(value)}."]
    if len(value) > limit:
        return [f"Use {limit} characters or fewer."]
    return [CONTROL] if has_control(value) else []


def _properties(value: object, errors: list[str]) -> list[dict[str, object]]:
    if value is None:
        errors.append(REQUIRED)
        return []
    if not isinstance(value, list):
        errors.append(f"Must be a list, not {kind(value)}.")
        return []
    if not 1 <= len(value) <= MAX_PROPERTIES:
        errors.append(f"Declare 1 to {MAX_PROPERTIES} properties.")
        return []
    properties = [_property(item, f"[{place}]", errors) for place, item in enumerate(value)]
    first: dict[object, int] = {}
    for place, one in enumerate(properties):
        if (name := one.get("name")) is not None and first.setdefault(name, place) != place:
            errors.append(f"[{place}].name: Repeats the one of [{first[name]}].")
    return properties


def _property(value: object, path: str, errors: list[str]) -> dict[str, object]:
    if not isinstance(value, dict):
        errors.append(f"{path}: Must be an object, not {kind(value)}.")
        return {}
    keys = Keys(value, path, errors)
    one = {
        "name": keys.tried("name", _name),
        "type": keys.tried("type", _type),
        "required": keys.optional("required", _required) or False,
    }
    keys.close()
    return one


def _name(value: object) -> object:
    for text in _text_errors(value, MAX_NAME):
        raise wrong(text)
    return value


def _type(value: object) -> object:
    if not isinstance(value, str) or value not in COERCIONS:
        sent = shown(value) if isinstance(value, str) else kind(value)
        raise wrong(f"{sent} is not one of {', '.join(COERCIONS)}.")
    return value


def _required(value: object) -> bool:
    if not isinstance(value, bool):
        raise wrong(f"Must be true or false, not {kind(value)}.")
    return value


_READERS: Mapping[str, Callable[[object, list[str]], object]] = {"event_type": _event_type, "properties": _properties}

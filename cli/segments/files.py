"""Segments as files declare them. What can be told without the tenant is checked here, all errors at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.segments.definitions import Json, stood_in
from cli.segments.loading import Unreadable, load
from services.definition import DefinitionError, parse
from services.definition.attributes import (
    description_errors,
    is_active_errors,
    name_errors,
    refresh_minutes_errors,
)
from services.definition.fields import Fields
from services.definition.problems import Wrong, kind
from services.kit.errors import Invalid


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A segment as a file declares it. What the file leaves out has its default."""

    # File and path, such as `segments.yaml: segments[2]`.
    place: str
    name: str
    description: str
    # Conditions may name segments instead of giving their ids.
    definition: Json
    refresh_minutes: int | None
    is_active: bool


def read(paths: Sequence[Path]) -> list[Declared]:
    """The segments in these files, in order. Raises Invalid with every error, one a line."""
    errors: list[str] = []
    declared = [
        segment
        for path in paths
        for place, raw in _items(path, errors)
        if (segment := _declared(place, raw, errors)) is not None
    ]
    first: dict[str, str] = {}
    errors += (
        f"{segment.place}.name: {segment.name!r} is declared already: {first[segment.name]}"
        for segment in declared
        if first.setdefault(segment.name, segment.place) != segment.place
    )
    if errors:
        raise Invalid(detail="\n".join(errors))
    return declared


def _items(path: Path, errors: list[str]) -> Iterator[tuple[str, object]]:
    """Every item of a file with its place."""
    try:
        content = load(path)
    except Unreadable as error:
        errors.append(f"{path}: {error}")
        return
    key = ""
    if isinstance(content, dict):
        errors.extend(f"{path}: {name}: unknown key" for name in content if name != "segments")
        key, content = "segments", content.get("segments")
    if isinstance(content, list):
        yield from ((f"{path}: {key}[{index}]", item) for index, item in enumerate(content))
    else:
        errors.append(f"{path}: {key or 'the file'} must be a list of segments, not {kind(content)}")


def _declared(place: str, raw: object, errors: list[str]) -> Declared | None:
    if not isinstance(raw, dict):
        errors.append(f"{place}: must be an object, not {kind(raw)}")
        return None
    before = len(errors)
    fields = Fields(raw, place, errors)
    name = fields.required("name", _checked(name_errors))
    description = fields.optional("description", _checked(description_errors))
    definition = fields.required("definition", _definition)
    refresh_minutes = fields.optional("refresh_minutes", _checked(refresh_minutes_errors))
    is_active = fields.optional("is_active", _checked(is_active_errors))
    fields.close()
    if len(errors) > before:
        return None
    return Declared(
        place=place,
        name=name,
        description=description or "",
        definition=definition,
        refresh_minutes=refresh_minutes,
        is_active=is_active is not False,
    )


def _checked(errors_of: Callable[[object], list[str]]) -> Callable[[object], Any]:
    def read_value(value: object) -> object:
        texts = errors_of(value)
        if texts:
            raise Wrong(*(("", text) for text in texts))
        return value

    return read_value


def _definition(value: object) -> Any:
    definition, errors = stood_in(value)
    try:
        parse(definition)
    except DefinitionError as error:
        errors = [*errors, *error.errors]
    if errors:
        raise Wrong(*(("", text) for text in errors))
    return value

"""Proposing schemas: what the payloads of some events have in common. Each of these events passes the proposal."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from services.ingestion.coercion import is_number, is_time, kind
from services.ingestion.schema_fields import MAX_PROPERTIES, is_name
from services.ingestion.schemas import Property, Schema
from services.kit.errors import Invalid

# Looking at so many takes a tenth of a second, in which the process does nothing else.
MAX_VALUES = 50_000

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# All of which can become text.
_SCALARS = {"string", "number", "boolean", "datetime"}


@dataclass(kw_only=True, slots=True)
class _Seen:
    """The values of a property: how many there were, and of which types."""

    count: int = 0
    types: set[str] = field(default_factory=set)


def infer(events: Sequence[tuple[str, str]]) -> list[Schema]:
    """A schema for each event type, by name, from the payloads beside it, compact JSON texts of objects.

    A property that is a list or an object in one event and something else in another one is left out, as are names
    that cannot be declared. Raises Invalid when there are too many values.
    """
    totals = Counter(event_type for event_type, _ in events)
    seen: dict[str, dict[str, _Seen]] = {event_type: {} for event_type in sorted(totals)}
    values = ((event_type, *value) for event_type, payload in events for value in _values(payload))
    for number, (event_type, name, type_) in enumerate(values):
        if number == MAX_VALUES:
            raise Invalid({"events": [f"Send fewer or smaller ones: {MAX_VALUES:,} values in all."]})
        if type_ != "null":
            entry = seen[event_type].setdefault(name, _Seen())
            entry.count += 1
            entry.types.add(type_)
    return [
        Schema(event_type=event_type, properties=_properties(entries, totals[event_type]))
        for event_type, entries in seen.items()
    ]


def _properties(seen: Mapping[str, _Seen], total: int) -> list[Property]:
    return [
        Property(name=name, type=common, required=entry.count == total)
        for name, entry in seen.items()
        if (common := _common(entry.types)) and is_name(name)
    ][:MAX_PROPERTIES]


def _values(document: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name and type of every value."""
    members: Mapping[str, msgspec.Raw] = _MEMBERS.decode(document)
    for key, raw in members.items():
        value = str(raw, "utf-8")
        # What is below a key with a dot in it has no name: as good as missing.
        name, type_ = f"{prefix}{key}", "null" if "." in key else _type(value)
        yield name, type_
        if type_ == "object":
            yield from _values(value, f"{name}.")


def _type(value: str) -> str:
    type_ = kind(value)
    if type_ == "string" and is_time(value):
        return "datetime"
    if type_ == "number" and not is_number(value):
        return "string"
    return type_


def _common(types: set[str]) -> str | None:
    """The type that takes values of all these, if there is one."""
    if len(types) == 1:
        return None if "object" in types else next(iter(types))
    return "string" if types <= _SCALARS else None

"""Schemas of events: what a payload must hold, and how its values become what was declared."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec

from services.ingestion.batches import Batch, Refused
from services.ingestion.coercion import COERCIONS
from services.ingestion.rows import Columns
from services.kit.errors import Invalid

_WANTED = {
    "string": "text",
    "number": "a number",
    "boolean": "true or false",
    "datetime": "an RFC 3339 time, such as 2026-04-25T14:32:00Z",
    "array": "a list",
}

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ABSENT = msgspec.Raw(b"null")


class Property(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A declared property: `type` is string, number, boolean, datetime or array.

    A dot in the name walks into nested objects, as in segment definitions: a key with a dot in it is never meant.
    """

    name: str
    type: str
    required: bool


_PROPERTIES = msgspec.json.Decoder(list[Property])


@dataclass(kw_only=True, slots=True)
class _Place:
    """What is declared of one key of an object, and of the keys in its value."""

    declared: Property | None = None
    inner: dict[str, "_Place"] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The declared properties of an event type."""

    event_type: str
    properties: Sequence[Property]

    def conform(self, payload: str) -> tuple[str, list[str]]:
        """A payload, compact JSON text of an object, as the schema wants it, and everything that is wrong in it.

        Of a key that is repeated in an object only the last one stays.
        """
        wrong: list[str] = []
        return self._conform(payload, self._places, wrong).decode(), wrong

    @cached_property
    def _places(self) -> Mapping[str, _Place]:
        root = _Place()
        for declared in self.properties:
            place = root
            for key in declared.name.split("."):
                place = place.inner.setdefault(key, _Place())
            place.declared = declared
        return root.inner

    def _conform(self, document: str | bytes, places: Mapping[str, _Place], wrong: list[str]) -> bytes:
        members = _MEMBERS.decode(document)
        for key, place in places.items():
            if place.declared is not None:
                self._coerce(members, key, place.declared, wrong)
            if place.inner:
                value = bytes(members.get(key, _ABSENT))
                if value.startswith(b"{"):
                    members[key] = msgspec.Raw(self._conform(value, place.inner, wrong))
                else:
                    self._conform(b"{}", place.inner, wrong)
        return msgspec.json.encode(members)

    def _coerce(
        self, members: MutableMapping[str, msgspec.Raw], key: str, declared: Property, wrong: list[str]
    ) -> None:
        value = str(members.get(key, _ABSENT), "utf-8")
        if value == "null":
            if declared.required:
                wrong.append(f"{declared.name}: Required by the schema of {self.event_type!r}.")
            return
        coerced = COERCIONS[declared.type](value)
        if coerced is None:
            wrong.append(f"{declared.name}: The schema of {self.event_type!r} wants {_WANTED[declared.type]}.")
        elif coerced is not value:
            members[key] = msgspec.Raw(coerced.encode())


def read_schema(event_type: str, properties: str) -> Schema:
    """The schema of an event type whose properties are a JSON text."""
    return Schema(event_type=event_type, properties=_PROPERTIES.decode(properties))


def apply(declared: Mapping[str, Schema], batch: Batch) -> Batch:
    """The batch with coerced payloads; events that break the schema of their type are among the refused ones."""
    columns = batch.columns
    if declared.keys().isdisjoint(columns.event_types):
        return batch
    payloads = list(columns.payloads)
    wrong: dict[int, list[str]] = {}
    for index, event_type in enumerate(columns.event_types):
        if event_type in declared:
            payloads[index], errors = declared[event_type].conform(payloads[index])
            if errors:
                wrong[index] = errors
    columns = columns._replace(payloads=payloads)
    if not wrong:
        return replace(batch, columns=columns)
    refused = [
        Refused(place=batch.places[index], text=_text(columns, index), error=Invalid({"payload": errors}))
        for index, errors in wrong.items()
    ]
    kept = [index for index in range(len(payloads)) if index not in wrong]
    return Batch(
        columns=Columns(*([column[index] for index in kept] for column in columns)),
        places=[batch.places[index] for index in kept],
        refused=[*batch.refused, *refused],
    )


def _text(columns: Columns, index: int) -> bytes:
    """An event as it is listed when it is refused."""
    return msgspec.json.encode({"user_id": columns.user_ids[index], "event_type": columns.event_types[index]})

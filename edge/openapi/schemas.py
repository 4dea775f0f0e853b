"""JSON Schemas of messages and fields, as the transcoder reads and prints them."""

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from edge.openapi.named import NAMED
from edge.openapi.protos import Protos, is_value, message, rules_of, said_of_field
from services.definition.attributes import CONTROL_CHARACTERS
from services.gen.segops.options.v1 import schema_pb2

Json = dict[str, Any]

INT32 = {"type": "integer", "format": "int32"}
NUMBER = {"type": "number", "format": "double"}
WHOLE_64 = {"type": "string", "format": "int64"}

BY_TYPE: dict[int, Json] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: NUMBER,
    FieldDescriptor.TYPE_INT32: INT32,
    FieldDescriptor.TYPE_INT64: WHOLE_64,
    FieldDescriptor.TYPE_STRING: {"type": "string"},
}
BY_MESSAGE: dict[str, Json] = {
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {},
    "google.api.HttpBody": {"type": "object"},
}

# What `schema` says, by the keyword that means it; about a list's elements, where the field is a list.
OF_VALUES = {
    "format": "format",
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "minimum": "minimum",
    "maximum": "maximum",
    "multiple_of": "multipleOf",
}
OF_LISTS = {"min_items": "minItems", "max_items": "maxItems"}

PATTERNS = {
    schema_pb2.CHARACTERS_LINE: f"^[^{CONTROL_CHARACTERS}]*$",
    schema_pb2.CHARACTERS_NAME: rf"^[^{CONTROL_CHARACTERS}]*[^\s{CONTROL_CHARACTERS}][^{CONTROL_CHARACTERS}]*$",
    schema_pb2.CHARACTERS_TEXT: r"^[^\x00]*$",
}
# The transcoder passes over unknown fields, but one without a name.
TRANSCODED: Json = {"propertyNames": {"minLength": 1}}
# Messages that only requests have need no other name there.
OF_REQUESTS = ("Request", "Body", "Config")


class Side(Enum):
    """Who sends it. A message has a schema for each: answers print every field, requests require what `schema` says."""

    REQUEST = "Input"
    ANSWER = ""


@dataclass
class Schemas:
    """The schemas that were referred to, by name; grows while the document is made."""

    protos: Protos
    components: dict[str, Json] = field(default_factory=dict)

    def reference(self, found: Descriptor, side: Side, without: frozenset[str] = frozenset()) -> Json:
        """A reference to the schema of a message; without some of its fields, which are in the path."""
        if found.full_name in BY_MESSAGE:
            return dict(BY_MESSAGE[found.full_name])
        name = self.protos.short_name(found)
        if not name.endswith(OF_REQUESTS):
            name += side.value
        if name not in self.components:
            self.components[name] = {}  # while it is made it may refer to itself
            self.components[name] = self._object(found, side, without) | (TRANSCODED if _is_request(found) else {})
        return {"$ref": f"#/components/schemas/{name}"}

    def named(self, name: str) -> Json:
        """A reference to a schema that is written by hand."""
        self.components.update(NAMED[name])
        return {"$ref": f"#/components/schemas/{name}"}

    def field(self, found: FieldDescriptor, side: Side) -> Json:
        """The schema of a field with its description."""
        said = said_of_field(found)
        schema = self._described_shape(found, said, side)
        if said.nullable:
            schema = _or_null(schema)
        comment = self.protos.comment(found.full_name)
        if comment:
            schema["description"] = comment
        if said.example:
            schema["examples"] = [json.loads(said.example)]
        return schema | (json.loads(said.raw) if said.raw else {})

    def _object(self, found: Descriptor, side: Side, without: frozenset[str]) -> Json:
        fields = [one for one in found.fields if one.name not in without]
        required = [one.name for one in fields if _is_there(one, side)]
        comment = self.protos.comment(found.full_name)
        return {
            "type": "object",
            **({"description": comment} if comment else {}),
            "properties": {one.name: self._property(one, side) for one in fields},
            **({"required": required} if required else {}),
            **rules_of(found),
        }

    def _property(self, found: FieldDescriptor, side: Side) -> Json:
        schema = self.field(found, side)
        # Of a Value null may mean something; of other fields it is none.
        is_left_out = side is Side.REQUEST and not (said_of_field(found).required or is_value(found))
        return _or_null(schema) if is_left_out else schema

    def _described_shape(self, found: FieldDescriptor, said: schema_pb2.Schema, side: Side) -> Json:
        element = self._element(found, said, side)
        element |= _said(said, OF_VALUES)
        if said.characters:
            element["pattern"] = PATTERNS[said.characters]
        if said.one_of:
            element["enum"] = list(said.one_of)
        if side is Side.REQUEST and found.type == found.TYPE_STRING and element.get("format") == "date-time":
            element["anyOf"] = [{"format": element.pop("format")}, {"maxLength": 0}]
        if not (found.is_repeated or said.type == "array"):
            return element
        listed = {"type": "array", "items": element, **_said(said, OF_LISTS)}
        # The transcoder takes one text for a list of it.
        takes_one = found.type == found.TYPE_STRING and _is_request(found.containing_type)
        return {"anyOf": [listed, element]} if takes_one else listed

    def _element(self, found: FieldDescriptor, said: schema_pb2.Schema, side: Side) -> Json:
        if said.message:
            shapes = [self.reference(message(name), side) for name in said.message]
            return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        if said.named:
            return self.named(said.named)
        if found.message_type is not None:
            schema = self.reference(found.message_type, side)
        else:
            schema = dict(BY_TYPE[found.type])
            if schema == INT32 and side is Side.REQUEST:
                schema |= {"minimum": -(2**31), "maximum": 2**31 - 1}
        if said.type and said.type != "array":
            schema["type"] = said.type
        return schema


def _is_request(found: Descriptor | None) -> bool:
    """Whether the transcoder reads it."""
    return found is not None and found.name.endswith("Request")


def _is_there(found: FieldDescriptor, side: Side) -> bool:
    if side is Side.REQUEST:
        return said_of_field(found).required
    # The transcoder prints defaults, but no `optional` field that is not set.
    return found.containing_oneof is None


def _said(said: schema_pb2.Schema, keywords: dict[str, str]) -> Json:
    """Those of the options that are set, by keyword."""
    values = {descriptor.name: value for descriptor, value in said.ListFields()}
    return {keyword: _plain(values[name]) for name, keyword in keywords.items() if name in values}


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _or_null(schema: Json) -> Json:
    if "null" in schema.get("type", ()):
        return schema
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    nullable = schema | {"type": [schema["type"], "null"]}
    return nullable | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})

"""Python values to and from protobuf's well-known types."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NullValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

# Above this two whole numbers may be the same 64-bit float.
LARGEST_EXACT = 2**53 - 1


def timestamp(moment: datetime) -> Timestamp:
    """An aware datetime as a Timestamp, to the millisecond."""
    message = Timestamp()
    message.FromDatetime(moment.replace(microsecond=moment.microsecond // 1000 * 1000))
    return message


def whole_seconds(moment: datetime) -> Timestamp:
    """An aware datetime as a Timestamp without fractions, as our own times are shown."""
    return Timestamp(seconds=int(moment.timestamp()))


def moment(message: Timestamp) -> datetime:
    """A Timestamp as an aware datetime."""
    return message.ToDatetime(tzinfo=UTC)


def rfc3339(moment: datetime) -> str:
    """An aware datetime as RFC 3339 UTC text with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nullable(value: str | float | Mapping[str, object] | None) -> Value:
    """A value, or JSON's null for None."""
    if value is None:
        return Value(null_value=NullValue.NULL_VALUE)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=struct(value))
    return Value(number_value=value)


def nullable_time(moment: datetime | None) -> Value:
    """RFC 3339 text, or JSON's null for None."""
    return nullable(rfc3339(moment) if moment else None)


def struct(value: Mapping[str, object]) -> Struct:
    """A JSON object as a Struct."""
    return ParseDict(dict(value), Struct())


def plain(value: Value) -> object:
    """A protobuf Value as plain JSON: 30.0 becomes 30; NaN and infinity, which JSON does not have, become null."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: plain(item) for name, item in value.struct_value.fields.items()}
        case "list_value":
            return [plain(item) for item in value.list_value.values]
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def sent_fields(request: Message) -> dict[str, object]:
    """The fields a create, replace or update sent, but for the id, as plain Python."""
    return {
        field.name: plain(value) if isinstance(value, Value) else value
        for field, value in request.ListFields()
        if field.name != "id"
    }


def _number(number: float) -> float | int | None:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= LARGEST_EXACT else number

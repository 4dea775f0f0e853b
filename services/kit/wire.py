"""Python values to and from protobuf's well-known types."""

from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import NullValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp


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

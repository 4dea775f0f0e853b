"""What a client may not set, put into its requests all the same."""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, MethodDescriptor

from services.gen.segops.ingestion.v1.ingestion_pb2 import TrackBody
from tests.e2e.tenancy.calls import HTTP_BODY, Fields, public_rpcs
from tests.e2e.tenancy.contents import columns
from tests.e2e.tenancy.ids import Place
from tests.running import Running

TEXT = "sneaked-in"
# Of 32 bits, as most columns are, and never an id.
NUMBER = 1_987_654_321
TIME = "2031-03-03T03:03:03Z"
MARKS = (TEXT, TEXT.encode().hex(), str(NUMBER), TIME[:10], '"plan": "starter"')
BY_TYPE = {
    "bigint": NUMBER,
    "integer": NUMBER,
    "boolean": True,
    "timestamp with time zone": TIME,
    "uuid": "11111111-2222-4333-8444-555555555555",
    "ARRAY": [TEXT],
    "json": {TEXT: NUMBER},
}
# What might be stored where anything else would be refused, and what nothing new is of itself.
PLAUSIBLE = {"plan": "starter", "role": "owner", "key_type": "public", "segment_type": "ai"}
STATUSES = ("computed", "active", "failed")
# Of no table, and tried against others' servers.
ALSO = ("is_admin", "permissions", "tenant", "user", "owner", "__proto__", "constructor")


def surplus(platform: Running, status: str) -> dict[str, Any]:
    """A value for the name of every column and of every field of an answer."""
    of_answers = {name for rpc in public_rpcs() for name in _named(rpc.output_type)}
    values: dict[str, Any] = dict.fromkeys([*sorted(of_answers), *ALSO], TEXT)
    values |= {name: BY_TYPE.get(of, TEXT) for name, of in columns(platform).items()}
    return values | PLAUSIBLE | {"status": status}


def places(rpc: MethodDescriptor, sample: Fields) -> Iterator[tuple[Place, set[str]]]:
    """Every object in a request whose members have a meaning, and the names that it may have."""
    if rpc.input_type.full_name == HTTP_BODY:
        # Events, in our words or in those of Segment's libraries.
        yield (), {*sample, *TrackBody.DESCRIPTOR.fields_by_name}
    else:
        yield from _objects(rpc.input_type, sample, ())


def beside(names: set[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that an object with these names may not have, under both spellings that JSON has for a field."""
    given = {name: value for name, value in values.items() if name not in names}
    return given | {_camel(name): value for name, value in given.items() if "_" in name.strip("_")}


def unknown_fields(of: Descriptor) -> bytes:
    """A number and a text in each low field number that a message does not have."""
    free = [number for number in range(1, 100) if number not in of.fields_by_number]
    text = TEXT.encode()
    return b"".join(
        _varint(number << 3) + _varint(NUMBER) + _varint(number << 3 | 2) + _varint(len(text)) + text for number in free
    )


def _varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + _varint(value >> 7) if value > 127 else bytes([value])


def _objects(of: Descriptor, value: Any, place: Place) -> Iterator[tuple[Place, set[str]]]:
    yield place, set(of.fields_by_name)
    for name, inner in value.items():
        field = of.fields_by_name.get(name)
        if field is not None and field.message_type is not None and field.message_type.full_name.startswith("segops."):
            listed = enumerate(inner) if isinstance(inner, list) else [(None, inner)]
            for index, item in listed:
                yield from _objects(
                    field.message_type, item, (*place, name) if index is None else (*place, name, index)
                )


def _named(message: Descriptor) -> set[str]:
    inner = [field.message_type for field in message.fields if field.message_type is not None]
    ours = [of for of in inner if of.full_name.startswith("segops.") and of is not message]
    return {field.name for field in message.fields}.union(*map(_named, ours))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)

"""What the protos say: HTTP bindings, the options of RPCs and fields, and comments, which become descriptions."""

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from edge.public_services import public_services
from services import gen
from services.gen.segops.options.v1 import access_pb2, schema_pb2
from services.kit.failures import STATUS

DESCRIPTORS = Path(gen.__file__).with_name("segops.binpb")
# `INVALID_ARGUMENT` to 400: comments name gRPC codes, and readers of the document meet HTTP statuses.
HTTP_STATUS = {code.name: status for code, status in STATUS.values()}
_CODE = re.compile(rf"\b({'|'.join(HTTP_STATUS)})\b")


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One HTTP method on one path, and the RPC behind it."""

    method: MethodDescriptor
    verb: str
    # As clients write it: `/api/segments/{id}/`.
    path: str
    # The request's field that is the body; `*` for all that are not in the path, empty for none.
    body: str
    # 0 for the first binding of its RPC.
    place: int

    @property
    def access(self) -> int:
        """Who may call it."""
        access: int = self.method.GetOptions().Extensions[access_pb2.access]
        return access

    @property
    def variables(self) -> list[str]:
        """The request's fields in the path."""
        return re.findall(r"{(\w+)}", self.path)


class Protos:
    """The descriptor set. Every message in it can be found by its full name."""

    def __init__(self) -> None:
        files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
        ours = [file for file in files if file.package.startswith("segops.")]
        for file in ours:
            importlib.import_module(f"{gen.__name__}.{file.name.removesuffix('.proto').replace('/', '.')}_pb2")
        self._comments = {name: comment for file in ours for name, comment in _comments(file)}
        public = {service.file.package for service in public_services()}
        names = [message.name for file in ours if file.package in public for message in file.message_type]
        self._ambiguous = {name for name in names if names.count(name) > 1}

    def comment(self, full_name: str) -> str:
        """The comment of a service, RPC, message or field as Markdown with HTTP statuses; empty when there is none."""
        return _CODE.sub(lambda found: str(HTTP_STATUS[found[0]]), self._comments.get(full_name, ""))

    def statuses(self, full_name: str) -> set[int]:
        """The HTTP statuses of the codes that the comment of an RPC names."""
        return {HTTP_STATUS[code] for code in _CODE.findall(self._comments.get(full_name, ""))}

    def short_name(self, message: Descriptor) -> str:
        """The name of a message: `Segment`, or `IdentityMember` where several packages have a `Member`."""
        if message.name not in self._ambiguous:
            return message.name
        return message.file.package.split(".")[1].capitalize() + message.name


def message(full_name: str) -> Descriptor:
    """The message of this name. Raises KeyError when no proto has it."""
    return descriptor_pool.Default().FindMessageTypeByName(full_name)


def said_of_field(field: FieldDescriptor) -> schema_pb2.Schema:
    """The `schema` option of a field."""
    said: schema_pb2.Schema = field.GetOptions().Extensions[schema_pb2.schema]
    return said


def is_value(field: FieldDescriptor) -> bool:
    """Whether a field holds any JSON."""
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Value"


def rules_of(message: Descriptor) -> dict[str, Any]:
    """What holds between the fields of a message: its `rules` option."""
    rules = message.GetOptions().Extensions[schema_pb2.rules]
    return json.loads(rules) if rules else {}


def said_of_method(method: MethodDescriptor) -> schema_pb2.Operation:
    """The `operation` option of an RPC."""
    said: schema_pb2.Operation = method.GetOptions().Extensions[schema_pb2.operation]
    return said


def bindings(method: MethodDescriptor) -> Iterator[Binding]:
    """The HTTP bindings of an RPC; none for those that only gRPC reaches."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    for place, binding in enumerate((rule, *rule.additional_bindings)):
        verb = binding.WhichOneof("pattern")
        if verb is not None:
            path = getattr(binding, verb)
            # Contract: paths below /api/ are written with a slash at the end, and work without it too.
            written = f"{path}/" if path.startswith("/api/") else path
            yield Binding(method=method, verb=verb, path=written, body=binding.body, place=place)


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        if location.leading_comments:
            name = _name_at(file, tuple(location.path))
            if name:
                yield f"{file.package}.{name}", _markdown(location.leading_comments)


def _name_at(file: FileDescriptorProto, path: tuple[int, ...]) -> str:
    match path:
        case (4, *rest):
            return _name_in_message(file.message_type[rest[0]], rest[1:])
        case (6, service):
            return file.service[service].name
        case (6, service, 2, method):
            return f"{file.service[service].name}.{file.service[service].method[method].name}"
        case _:
            return ""


def _name_in_message(found: Any, path: list[int]) -> str:
    match path:
        case []:
            return str(found.name)
        case [2, field]:
            return f"{found.name}.{found.field[field].name}"
        case [3, nested, *rest]:
            return f"{found.name}.{_name_in_message(found.nested_type[nested], rest)}"
        case _:
            return ""


def _markdown(comment: str) -> str:
    """Paragraphs in place of lines."""
    paragraphs = re.split(r"\n\s*\n", comment)
    return "\n\n".join(" ".join(line.strip() for line in paragraph.strip().splitlines()) for paragraph in paragraphs)

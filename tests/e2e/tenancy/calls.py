"""Every way to call the public API, read from the protos: a message becomes a REST request, or one of gRPC."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from google.api import annotations_pb2, httpbody_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from edge.public_services import public_services
from services.gen.segops.options.v1 import access_pb2
from services.kit.access import INSIDE

HTTP_BODY = httpbody_pb2.HttpBody.DESCRIPTOR.full_name
JSON = "application/json"

# A message as JSON: its fields by name, and for a body that is passed on as it is, the body.
Fields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A REST request. The body is JSON, or there is none."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, kw_only=True)
class Binding:
    """One HTTP method on one path, and the RPC it calls. `template` has the names of its variables in braces."""

    method: str
    template: str
    body: str
    rpc: MethodDescriptor

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    def request(self, fields: Fields) -> Request:
        """The request with these fields: in the path, in the body, and the others in the query."""
        in_path = {name: value for name, value in fields.items() if f"{{{name}}}" in self.template}
        path = self.template.format(**{name: quote(str(value), safe="") for name, value in in_path.items()})
        rest = {name: value for name, value in fields.items() if name not in in_path}
        body = rest if self.body == "*" else rest.pop(self.body, None) if self.body else None
        query = "" if self.body == "*" else urlencode(rest, doseq=True)
        content = None if body is None else json.dumps(body).encode()
        return Request(
            method=self.method,
            path=f"{path}/" if path.startswith("/api/") else path,
            query=query,
            headers={} if content is None else {"content-type": JSON},
            body=content,
        )


def name_of(rpc: MethodDescriptor) -> str:
    """What an RPC is called here, such as `SegmentsService/GetSegment`."""
    return f"{rpc.containing_service.name}/{rpc.name}"


def path_of(rpc: MethodDescriptor) -> str:
    """The gRPC path of an RPC."""
    return f"/{rpc.containing_service.full_name}/{rpc.name}"


def access_of(rpc: MethodDescriptor) -> int:
    """Who may call an RPC."""
    access: int = rpc.GetOptions().Extensions[access_pb2.access]
    return access


def public_rpcs() -> list[MethodDescriptor]:
    """Every RPC that strangers may reach."""
    rpcs = [rpc for service in public_services() for rpc in service.methods]
    return [rpc for rpc in rpcs if access_of(rpc) not in INSIDE]


def bindings() -> list[Binding]:
    """Every REST route."""
    return [binding for rpc in public_rpcs() for binding in _bindings_of(rpc)]


def one_of_each() -> list[Binding]:
    """The first REST route of each RPC that has one."""
    first: dict[str, Binding] = {}
    for binding in bindings():
        first.setdefault(name_of(binding.rpc), binding)
    return list(first.values())


def _bindings_of(rpc: MethodDescriptor) -> Iterator[Binding]:
    rule = rpc.GetOptions().Extensions[annotations_pb2.http]
    for one in (rule, *rule.additional_bindings):
        if verb := one.WhichOneof("pattern"):
            yield Binding(method=verb.upper(), template=getattr(one, verb), body=one.body, rpc=rpc)


def message_of(rpc: MethodDescriptor, fields: Fields) -> Message:
    """The gRPC request with these fields."""
    if rpc.input_type.full_name == HTTP_BODY:
        return _http_body(fields)
    message = GetMessageClass(rpc.input_type)()
    for name, value in fields.items():
        of = rpc.input_type.fields_by_name[name].message_type
        if of is not None and of.full_name == HTTP_BODY:
            getattr(message, name).CopyFrom(_http_body(value))
        else:
            json_format.ParseDict({name: value}, message)
    return message


def _http_body(value: object) -> Message:
    body: Message = httpbody_pb2.HttpBody(content_type=JSON, data=json.dumps(value).encode())
    return body

"""Which RPC a request is for, and who may call it: read from the descriptors, the same Envoy transcodes by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor

from services.gen.segops.options.v1 import access_pb2
from services.kit.access import INSIDE

INT32 = FieldDescriptor.CPPTYPE_INT32
MAX_INT32 = 2**31 - 1
VARIABLE = "{}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A field of a request, as far as a query may set it: what the path or the body says is not the query's to say."""

    name: str
    is_allowed: bool
    is_integer: bool
    is_repeated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One HTTP method on one path."""

    rpc: str
    access: int
    # HTTP status of a success; 0 for 200.
    success_status: int = 0
    # Whether the service is told how many calls the tenant has made.
    tells_calls: bool = False
    has_body: bool = False
    # Fields with whole numbers, by position in the path.
    path_integers: tuple[int, ...] = ()
    # Every field of the request, by the names Envoy takes for it in a query.
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


@dataclass(slots=True)
class Node:
    """One path segment of the tree of routes."""

    children: dict[str, Self] = field(default_factory=dict)
    methods: dict[str, Route] = field(default_factory=dict)


class RouteTable:
    """All REST routes and gRPC paths of the public services."""

    def __init__(self, services: list[ServiceDescriptor]) -> None:
        self._root = Node()
        self._rpcs: dict[str, Route] = {}
        for method in (method for service in services for method in service.methods):
            self._add(method)

    def rpc(self, path: str) -> Route | None:
        """The route of a gRPC path such as `/segops.segments.v1.SegmentsService/GetSegment`."""
        return self._rpcs.get(path)

    def rest(self, path: str) -> dict[str, Route] | None:
        """The HTTP methods of a path without trailing slash and query; None when there is no such path."""
        if not is_text(path):
            return None
        node = self._root
        segments = path[1:].split("/")
        for segment in segments:
            child = node.children.get(segment) or (node.children.get(VARIABLE) if segment else None)
            if child is None:
                return None
            node = child
        if not node.methods:
            return None
        route = next(iter(node.methods.values()))
        if not all(is_id(segments[position]) for position in route.path_integers):
            return None
        return node.methods

    def all(self) -> Iterator[tuple[str, str, Route]]:
        """Every HTTP method, path template (`{}` for a variable) and route, for tests that walk them all."""

        def walk(node: Node, path: str) -> Iterator[tuple[str, str, Route]]:
            yield from ((method, path, route) for method, route in node.methods.items())
            for segment, child in node.children.items():
                yield from walk(child, f"{path}/{segment}")

        return walk(self._root, "")

    def rpcs(self) -> dict[str, Route]:
        """Every public gRPC path."""
        return dict(self._rpcs)

    def _add(self, method: MethodDescriptor) -> None:
        options = method.GetOptions()
        access = options.Extensions[access_pb2.access]
        if access == access_pb2.ACCESS_UNSPECIFIED:
            raise ValueError(f"{method.full_name} declares no access")
        if access in INSIDE:
            return
        rpc = f"/{method.containing_service.full_name}/{method.name}"
        self._rpcs[rpc] = Route(rpc=rpc, access=access, tells_calls=options.Extensions[access_pb2.tells_api_calls])
        rule = options.Extensions[annotations_pb2.http]
        for binding in (rule, *rule.additional_bindings):
            self._add_binding(binding, method, rpc, access)

    def _add_binding(self, rule: HttpRule, method: MethodDescriptor, rpc: str, access: int) -> None:
        verb = rule.WhichOneof("pattern")
        if verb is None:
            return
        fields = method.input_type.fields_by_name
        segments = getattr(rule, verb)[1:].split("/")
        variables = {segment[1:-1]: place for place, segment in enumerate(segments) if segment.startswith("{")}
        node = self._root
        for segment in segments:
            node = node.children.setdefault(VARIABLE if segment.startswith("{") else segment, Node())
        node.methods[verb.upper()] = Route(
            rpc=rpc,
            access=access,
            success_status=method.GetOptions().Extensions[access_pb2.success_status],
            tells_calls=method.GetOptions().Extensions[access_pb2.tells_api_calls],
            has_body=bool(rule.body),
            path_integers=tuple(place for name, place in variables.items() if fields[name].cpp_type == INT32),
            parameters={
                name: Parameter(
                    name=found.name,
                    is_allowed=found.name not in variables and not rule.body,
                    is_integer=found.cpp_type == INT32,
                    is_repeated=found.is_repeated,
                )
                for found in fields.values()
                for name in (found.name, found.json_name)
            },
        )


def is_text(path: str) -> bool:
    """Whether a path is UTF-8 under its percent signs: what is not can be nobody's id."""
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def is_id(segment: str) -> bool:
    """Whether a path segment can be the id of an object."""
    return segment.isascii() and segment.isdigit() and int(segment[:11]) <= MAX_INT32


def is_int32(text: str) -> bool:
    """Whether a query value is a whole number that fits 32 bits."""
    digits = text[1:] if text[:1] in "+-" else text
    return digits.isascii() and digits.isdigit() and int(digits[:11]) <= MAX_INT32 + (text[0] == "-")

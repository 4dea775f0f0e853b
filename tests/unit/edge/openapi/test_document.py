"""The API document: valid, whole, the same on every run, and true to the protos."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor
from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.openapi.operating import PATHS
from edge.openapi.protos import Protos
from edge.openapi.schemas import Schemas, Side
from edge.public_services import public_services
from edge.routes import RouteTable
from services.gen.segops.options.v1 import access_pb2
from services.kit.access import OPEN
from tests.unit.edge.openapi.validation import DOCUMENT, errors

Json = dict[str, Any]

VERBS = ("get", "post", "put", "patch", "delete")
ROUTES = {(method, path): route for method, path, route in RouteTable(public_services()).all()}


def operations() -> Iterator[tuple[str, str, Json]]:
    """Every operation with its path and verb."""
    for path, item in DOCUMENT["paths"].items():
        for verb, operation in item.items():
            assert verb in VERBS
            yield path, verb, operation


def bodies(operation: Json) -> Iterator[Json]:
    """Every media type of requests and answers."""
    answers = (answer for answer in operation["responses"].values() if "$ref" not in answer)
    for holder in (operation.get("requestBody", {}), *answers, *DOCUMENT["components"]["responses"].values()):
        yield from holder.get("content", {}).values()


def routed() -> Iterator[tuple[str, str, Json]]:
    """Those that a proto declares, as the route table writes them."""
    for path, verb, operation in operations():
        if path not in PATHS:
            yield verb.upper(), re.sub("{.*?}", "{}", path.removesuffix("/")), operation


def test_it_is_a_valid_openapi_3_1_document() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_the_same_on_every_run() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-m", "edge.openapi"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) > 100_000


def test_it_has_every_route_and_no_other() -> None:
    assert {(verb, path) for verb, path, _ in routed()} == ROUTES.keys()


def test_paths_below_api_end_in_a_slash() -> None:
    assert [path for path in DOCUMENT["paths"] if path.startswith("/api/") != path.endswith("/")] == []


def test_no_two_operations_have_one_name() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


def test_credentials_and_the_status_of_success_are_those_of_the_route() -> None:
    for verb, path, operation in routed():
        route = ROUTES[verb, path]
        assert bool(operation["security"]) == (route.access not in OPEN), path
        assert str(route.success_status or 200) in operation["responses"]
        assert ("401" in operation["responses"]) >= (route.access not in OPEN)


def test_roles_are_told_as_the_edge_decides() -> None:
    told = {
        operation["operationId"]: operation["description"] for _, _, operation in operations() if operation["security"]
    }
    assert told["ListSegments"].endswith("**May call it:** Owner, Admin, Member, Viewer, secret key.")
    assert told["CreateApiKey"].endswith("**May call it:** Owner, Admin.")
    assert told["OpenSession"].endswith("**May call it:** public key.")
    assert "session token" in told["Track"]


def test_a_post_below_api_takes_an_idempotency_key_and_says_what_may_come_of_it() -> None:
    for path, verb, operation in operations():
        names = [parameter.get("$ref", "").rpartition("/")[2] for parameter in operation.get("parameters", ())]
        assert ("IdempotencyKey" in names) == (verb == "post" and path.startswith("/api/"))
        if "IdempotencyKey" in names:
            assert {"400", "409", "422", "504"} <= operation["responses"].keys()


def test_every_comment_on_a_field_is_in_the_document() -> None:
    protos = Protos()
    for message in messages():
        for side in Side:
            schemas = Schemas(protos)
            for found in message.fields:
                comment = protos.comment(found.full_name)
                assert not comment or schemas.field(found, side).get("description"), found.full_name


def messages() -> Iterator[Descriptor]:
    """What the routes take and answer."""
    for method in (method for service in public_services() for method in service.methods):
        if method.GetOptions().Extensions[access_pb2.access] != access_pb2.ACCESS_INTERNAL:
            yield from (method.input_type, method.output_type)


def test_every_operation_and_tag_is_described() -> None:
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert all(tags.values())
    for path, verb, operation in operations():
        assert operation["summary"], (verb, path)
        assert {*operation["tags"]} <= tags.keys()


def test_it_speaks_http_and_not_grpc() -> None:
    names = "|".join(code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK)
    for text in texts(DOCUMENT):
        assert not re.search(rf"\b({names}|ACCESS_[A-Z]+)\b", text), text


def texts(node: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    match node:
        case str():
            yield node
        case list():
            for item in node:
                yield from texts(item)
        case dict():
            for item in node.values():
                yield from texts(item)


def test_every_example_is_one_that_its_schema_admits() -> None:
    count = 0
    for path, verb, operation in operations():
        for media in bodies(operation):
            if "example" in media:
                count += 1
                assert errors(media["schema"], media["example"]) == [], (verb, path)
    assert count > 100


def test_the_examples_of_schemas_and_properties_are_admitted_by_them() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for place in (schema, *schema.get("properties", {}).values()):
            for example in place.get("examples", ()):
                assert errors(place, example) == [], (name, example)


def test_what_a_request_needs_has_an_example_of_its_own() -> None:
    """`text` is what the generator says where nobody said anything."""
    for path, verb, operation in operations():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert "text" not in texts(media["example"]), (verb, path)


@pytest.mark.parametrize("name", ["TrackBatch", "DownloadExport", "GetJwks", "ValidatePayload", "ListUserSegments"])
def test_what_protobuf_has_no_types_for_is_said_by_options(name: str) -> None:
    (operation,) = (one for _, _, one in operations() if one["operationId"] == name)
    (content,) = (answer["content"] for code, answer in operation["responses"].items() if code in ("200", "202"))
    for media in content.values():
        assert media["schema"] != {"type": "object"}

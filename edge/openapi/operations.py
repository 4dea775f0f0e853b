"""One operation of the document: one HTTP method on one path."""

import re
from typing import Any

from edge.openapi import credentials
from edge.openapi.answers import answers
from edge.openapi.examples import example
from edge.openapi.parameters import parameters
from edge.openapi.protos import Binding, bindings, message, said_of_method
from edge.openapi.schemas import Schemas, Side

Json = dict[str, Any]


def operation(binding: Binding, tag: str, name: str, schemas: Schemas) -> Json:
    """The operation called `name`."""
    comment = schemas.protos.comment(binding.method.full_name)
    # The first sentence, and what follows it.
    summary, *rest = re.split(r"(?<=\.)\s+", comment, maxsplit=1)
    if binding.place:
        rest.append(f"The same as `{binding.verb.upper()} {next(bindings(binding.method)).path}`.")
    described = [*rest, credentials.who_may_call(binding.access)]
    made: Json = {
        "tags": [tag],
        "operationId": name,
        "summary": summary.removesuffix(".").replace("`", ""),  # plain text, the description is Markdown
        "description": "\n\n".join(described),
        "security": credentials.security(binding.access),
    }
    if found := parameters(binding, schemas):
        made["parameters"] = found
    if binding.body:
        made["requestBody"] = _body(binding, schemas)
    return made | {"responses": answers(binding, schemas)}


def _body(binding: Binding, schemas: Schemas) -> Json:
    said = said_of_method(binding.method)
    shape = binding.method.input_type
    if binding.body != "*":
        shape = shape.fields_by_name[binding.body].message_type or shape
    if said.request:
        shape = message(said.request)
    if said.named_request:
        schema = schemas.named(said.named_request)
    else:
        schema = schemas.reference(shape, Side.REQUEST, without=frozenset(binding.variables))
    own = schemas.components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
    return {
        "required": bool(own.keys() & {"required", "anyOf"}) or not own,
        "content": {"application/json": {"schema": schema, "example": example(schema, schemas.components)}},
    }

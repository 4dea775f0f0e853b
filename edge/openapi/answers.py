"""The answers of an operation."""

from typing import Any

from edge.openapi import headers, refusals
from edge.openapi.examples import example
from edge.openapi.parameters import takes_key
from edge.openapi.protos import Binding, message, said_of_method
from edge.openapi.schemas import Schemas, Side
from services.gen.segops.options.v1 import access_pb2
from services.kit.access import OPEN

Json = dict[str, Any]

MEANING = {200: "Success.", 201: "Created.", 202: "Accepted; the work is done soon.", 204: "Done; there is no body."}
BINARY: Json = {"type": "string", "format": "binary"}


def answers(binding: Binding, schemas: Schemas) -> Json:
    """All answers by status."""
    status = binding.method.GetOptions().Extensions[access_pb2.success_status] or 200
    refused = refusals.statuses(binding, schemas.protos)
    return {
        str(status): _success(binding, status, schemas),
        **{str(one): refusals.reference(one) for one in refused},
    }


def _success(binding: Binding, status: int, schemas: Schemas) -> Json:
    names = list(headers.ALWAYS)
    if binding.access not in OPEN:
        names += headers.LIMITS
    if takes_key(binding):
        names.append("Idempotent-Replayed")
    answer: Json = {"description": MEANING[status], "headers": headers.references(*names)}
    return answer if status == 204 else answer | {"content": _content(binding, schemas)}


def _content(binding: Binding, schemas: Schemas) -> Json:
    said = said_of_method(binding.method)
    if said.response_types:
        return {kind: {"schema": BINARY} for kind in said.response_types}
    shape = message(said.response) if said.response else binding.method.output_type
    schema = schemas.reference(shape, Side.ANSWER)
    # The transcoder prints a stream as a list.
    if binding.method.server_streaming:
        schema = {"type": "array", "items": schema}
    return {"application/json": {"schema": schema, "example": example(schema, schemas.components)}}

"""Parameters of an operation: in its path, its query and its headers."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from edge.openapi.credentials import takes_people
from edge.openapi.protos import Binding, said_of_field, said_of_method
from edge.openapi.schemas import Schemas, Side
from services.kit.idempotency_names import MAX_KEY_CHARS

Json = dict[str, Any]

HEADERS: dict[str, Json] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes a repetition harmless: for 24 hours the same caller, path and body get the first answer. "
        "The same key with another body is 422; while the first request is running, 409. A byte beyond ASCII counts as "
        "three characters.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_KEY_CHARS,
            "pattern": r"^[^\x00-\x08\x0a-\x1f\x7f]*$",
        },
    },
    "TenantSlug": {
        "name": "X-Tenant-Slug",
        "in": "header",
        "description": "Which of their tenants a person means; the one their token is for when it is empty or missing.",
        "schema": {"type": "string", "pattern": "^([a-z][a-z0-9-]{1,38}[a-z0-9])?$"},
    },
}


def takes_key(binding: Binding) -> bool:
    """Whether an Idempotency-Key counts."""
    return binding.verb == "post" and binding.path.startswith("/api/")


def parameters(binding: Binding, schemas: Schemas) -> list[Json]:
    """All parameters of a binding."""
    fields = binding.method.input_type.fields_by_name
    in_path = [_parameter(fields[name], "path", schemas) for name in binding.variables]
    in_query = [
        _parameter(found, "query", schemas)
        for name, found in fields.items()
        if not binding.body and name not in binding.variables
    ]
    return [*in_path, *in_query, *_headers(binding)]


def _headers(binding: Binding) -> list[Json]:
    own = [
        {
            "name": header.name,
            "in": "header",
            "description": header.description,
            "required": header.required,
            "schema": {"type": "string"},
        }
        for header in said_of_method(binding.method).headers
    ]
    common = {
        "IdempotencyKey": takes_key(binding),
        "TenantSlug": takes_people(binding.access),
    }
    return [*own, *({"$ref": f"#/components/parameters/{name}"} for name, is_taken in common.items() if is_taken)]


def _parameter(found: FieldDescriptor, place: str, schemas: Schemas) -> Json:
    schema = schemas.field(found, Side.REQUEST)
    description = schema.pop("description", "")
    if place == "path" and schema.get("format") == "int32":
        schema["minimum"] = max(schema["minimum"], 0)
    return {
        "name": found.name,
        "in": place,
        **({"description": description} if description else {}),
        "required": place == "path" or said_of_field(found).required,
        "schema": schema,
    }

"""The refusals of an operation, which follow from its path, its body and who may call it; and their bodies."""

from typing import Any

from edge.decision import UnsupportedMediaType
from edge.openapi import headers
from edge.openapi.parameters import takes_key
from edge.openapi.protos import Binding, Protos, said_of_method
from services.kit.access import OPEN
from services.kit.failures import KIND_BY_HTTP

Json = dict[str, Any]

ERROR: Json = {
    "type": "object",
    "description": "Why a request was refused.",
    "properties": {"detail": {"type": "string", "minLength": 1, "description": "One sentence."}},
    "required": ["detail"],
    "examples": [{"detail": "Not found."}],
}
FIELD_ERRORS: Json = {
    "type": "object",
    "description": "Every wrong field, with what is wrong in it. About nested input the text begins with the path.",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    "examples": [{"definition": ["conditions[1].operator: 'foo' is not one of eq, neq, gt, gte, lt, lte"]}],
}

MEANING: dict[int, str] = {
    400: "Malformed JSON, a wrong type, or a value that is not valid.",
    401: "No credentials, or bad, expired or revoked ones.",
    403: "The caller is known and may not do this.",
    404: "There is no such object in the caller's tenant.",
    409: "It conflicts with the current state, or the first request with this Idempotency-Key is running.",
    413: "The body is larger than 16 MiB.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key came with another body before.",
    429: "Too many requests, or the month's events are used up.",
    503: "A backend is away. Nothing was accepted, so a retry is safe.",
    504: "It is not known whether the request was accepted. With an Idempotency-Key a retry is safe.",
}
FAILURES = {**KIND_BY_HTTP, 415: UnsupportedMediaType}
HEADERS = {
    401: ("WWW-Authenticate",),
    429: (*headers.LIMITS, "Retry-After"),
    503: ("Retry-After",),
}


def statuses(binding: Binding, protos: Protos) -> list[int]:
    """The statuses of refusals: by rule, those that the comment names, and those of the option."""
    is_open = binding.access in OPEN
    takes_input = bool(binding.body or binding.method.input_type.fields or takes_key(binding))
    rules = {
        400: takes_input,
        401: not is_open,
        403: not is_open,
        404: bool(binding.variables),
        409: takes_key(binding),
        413: bool(binding.body),
        415: bool(binding.body),
        422: takes_key(binding),
        429: True,
        503: True,
        504: binding.verb != "get",
    }
    by_rule = {status for status, holds in rules.items() if holds}
    named = protos.statuses(binding.method.full_name) | set(said_of_method(binding.method).refusals)
    return sorted(by_rule | named)


def reference(status: int) -> Json:
    """A reference to the answer of a refusal."""
    return {"$ref": f"#/components/responses/{FAILURES[status].__name__}"}


def components() -> dict[str, Json]:
    """The answers of all refusals, by name."""
    return {FAILURES[status].__name__: _answer(status) for status in MEANING}


def _answer(status: int) -> Json:
    error: Json = {"$ref": "#/components/schemas/Error"}
    content: Json = {"schema": error, "example": FAILURES[status]().body()}
    if status == 400:
        content = {"schema": {"anyOf": [{"$ref": "#/components/schemas/FieldErrors"}, error]}}
    return {
        "description": MEANING[status],
        "headers": headers.references(*headers.ALWAYS, *HEADERS.get(status, headers.LIMITS)),
        "content": {"application/json": content},
    }

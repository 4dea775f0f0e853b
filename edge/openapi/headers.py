"""Headers of answers."""

from typing import Any

Json = dict[str, Any]

WHOLE: Json = {"type": "integer", "minimum": 0}
HEADERS: dict[str, Json] = {
    "X-Request-Id": {
        "description": "The one that the request sent, else a new one. It stands in every log line about the request.",
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit": {"description": "Calls a minute that the tenant's plan allows.", "schema": WHOLE},
    "X-RateLimit-Remaining": {"description": "Calls that are left of them.", "schema": WHOLE},
    "X-RateLimit-Reset": {"description": "Seconds until there are more.", "schema": WHOLE},
    "Idempotent-Replayed": {
        "description": "`true` when this is the answer that an earlier request with the same Idempotency-Key got.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "The credentials that are taken.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Whole seconds after which a retry makes sense.", "schema": WHOLE},
}
# On all answers, and on those to a tenant's callers.
ALWAYS = ("X-Request-Id",)
LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def references(*names: str) -> Json:
    """References to headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

"""The routes that no proto declares: whether the platform lives, and its documentation."""

from typing import Any

from edge.openapi import headers, refusals

Json = dict[str, Any]

TAG: Json = {"name": "Operating", "description": "Whether the platform lives, and this document."}


def _get(name: str, summary: str, content: Json, *more: int) -> Json:
    return {
        "get": {
            "tags": [TAG["name"]],
            "operationId": name,
            "summary": summary,
            "security": [],
            "responses": {
                "200": {"description": "Success.", "headers": headers.references(*headers.ALWAYS), "content": content},
                **{str(status): refusals.reference(status) for status in (429, *more)},
            },
        }
    }


def _status(value: str) -> Json:
    schema = {"type": "object", "properties": {"status": {"type": "string", "const": value}}, "required": ["status"]}
    return {"application/json": {"schema": schema, "example": {"status": value}}}


PATHS: dict[str, Json] = {
    "/healthz": _get("Healthz", "Whether the edge answers", _status("ok")),
    "/readyz": _get("Readyz", "Whether every backend answers", _status("ready"), 503),
    "/api/schema/": _get("ApiDocument", "This document", {"application/json": {"schema": {"type": "object"}}}, 503),
    "/api/docs/": _get("ApiPage", "A page to read and try the API", {"text/html": {"schema": {"type": "string"}}}, 503),
}

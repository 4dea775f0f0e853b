"""Schemas that are written by hand, by the name that `schema.named` gives: each with those it refers to."""

from typing import Any

from edge.openapi.definition import DEFINITION
from edge.openapi.tracking import CALLS

NAMED: dict[str, dict[str, dict[str, Any]]] = {
    "Definition": DEFINITION,
    **{name: {name: call} for name, call in CALLS.items()},
}

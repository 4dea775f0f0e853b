"""The whole document."""

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import metadata
from typing import Any

from edge.openapi import credentials, headers, operating, parameters, refusals
from edge.openapi.introduction import INTRODUCTION
from edge.openapi.operations import operation
from edge.openapi.protos import Binding, Protos, bindings
from edge.openapi.schemas import Schemas
from edge.public_services import public_services

Json = dict[str, Any]


def build() -> Json:
    """The API document: the same one on every run."""
    schemas = Schemas(Protos(), {"Error": refusals.ERROR, "FieldErrors": refusals.FIELD_ERRORS})
    paths: dict[str, Json] = {}
    for tag, name, binding in _operations():
        paths.setdefault(binding.path, {})[binding.verb] = operation(binding, tag, name, schemas)
    paths |= operating.PATHS
    about = metadata("segops-platform")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SegOps",
            "version": about["Version"],
            "summary": about["Summary"],
            "description": INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": about["License-Expression"]},
        },
        "servers": [{"url": "/"}],
        "tags": [
            *(
                {"name": _tag(service.name), "description": schemas.protos.comment(service.full_name)}
                for service in public_services()
            ),
            operating.TAG,
        ],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": refusals.components(),
            "parameters": parameters.HEADERS,
            "headers": headers.HEADERS,
            "securitySchemes": credentials.SCHEMES,
        },
    }


def _operations() -> Iterator[tuple[str, str, Binding]]:
    """Every operation with its tag and its name, which no other has."""
    found = [
        (_tag(service.name), binding)
        for service in public_services()
        for method in service.methods
        for binding in bindings(method)
    ]
    names = Counter(binding.method.name for _, binding in found if binding.place == 0)
    for tag, binding in found:
        name = binding.method.name if names[binding.method.name] == 1 else f"{tag}{binding.method.name}"
        yield tag, f"{name}{binding.place + 1}" if binding.place else name, binding


def _tag(service: str) -> str:
    return service.removesuffix("Service")

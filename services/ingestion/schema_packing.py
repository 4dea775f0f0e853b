"""Schemas as messages."""

from typing import Any

from sqlalchemy import Row

from services.gen.segops.ingestion.v1 import schemas_pb2 as pb
from services.ingestion.schemas import Schema
from services.kit.wire import whole_seconds


def schema_message(row: Row[Any]) -> pb.Schema:
    return pb.Schema(
        id=row.id,
        event_type=row.event_type,
        properties=[pb.Property(**declared) for declared in row.properties],
        created_at=whole_seconds(row.created_at),
        updated_at=whole_seconds(row.updated_at),
    )


def inferred_message(schema: Schema) -> pb.InferredSchema:
    return pb.InferredSchema(
        event_type=schema.event_type,
        properties=[
            pb.Property(name=declared.name, type=declared.type, required=declared.required)
            for declared in schema.properties
        ],
    )

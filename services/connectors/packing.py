"""Rows of connectors as messages."""

from typing import Any

from sqlalchemy import Row

from services.connectors.verifying import Verification
from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.wire import nullable, nullable_time, whole_seconds


def activation_message(row: Row[Any]) -> pb.Activation:
    return pb.Activation(
        id=row.id,
        segment=row.segment_id,
        segment_name=row.segment_name,
        connector_type=row.connector_type,
        config=nullable(row.config),
        status=row.status,
        last_synced_at=nullable_time(row.last_synced_at),
        last_error=nullable(row.last_error),
        created_at=whole_seconds(row.created_at),
        updated_at=whole_seconds(row.updated_at),
    )


def log_message(row: Row[Any]) -> pb.SyncLog:
    return pb.SyncLog(
        status=row.status,
        added=row.added,
        removed=row.removed,
        user_count=row.user_count,
        error_message=nullable(row.error_message),
        attempt=row.attempt,
        synced_at=whole_seconds(row.synced_at),
    )


def verification_message(found: Verification) -> pb.Verification:
    return pb.Verification(
        matching=found.matching,
        missing=found.missing,
        extra=found.extra,
        missing_user_ids=found.missing_user_ids,
        extra_user_ids=found.extra_user_ids,
        repaired=found.repaired,
    )

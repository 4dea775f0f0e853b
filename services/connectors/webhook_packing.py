"""Rows of webhooks as messages."""

from typing import Any

from sqlalchemy import Row

from services.connectors.deliveries import EVENT
from services.gen.segops.connectors.v1 import connectors_pb2 as pb
from services.kit.wire import nullable, nullable_time, whole_seconds


def webhook_message(row: Row[Any]) -> pb.Webhook:
    return pb.Webhook(
        id=row.id,
        url=row.url,
        description=row.description,
        is_active=row.is_active,
        created_at=whole_seconds(row.created_at),
        has_secret=row.secret is not None,
    )


def delivery_message(row: Row[Any]) -> pb.Delivery:
    return pb.Delivery(
        id=str(row.id),
        event=EVENT,
        segment_id=row.segment_id,
        status=row.status,
        attempts=row.attempts,
        response_status=nullable(row.response_status),
        error=nullable(row.error),
        created_at=whole_seconds(row.created_at),
        delivered_at=nullable_time(row.delivered_at),
        next_attempt_at=nullable_time(row.next_attempt_at),
    )

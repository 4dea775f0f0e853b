"""Rows as messages."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value
from sqlalchemy import Row

from services.gen.segops.segments.v1 import segments_pb2 as pb
from services.kit.wire import nullable, nullable_time, whole_seconds
from services.segments.listing import Members
from services.segments.membership import Entry
from services.segments.values import plain


def sent_fields(request: Message) -> dict[str, object]:
    """The fields a create, replace or update sent, but for the id, as plain Python."""
    return {
        field.name: plain(value) if isinstance(value, Value) else value
        for field, value in request.ListFields()
        if field.name != "id"
    }


def segment_message(row: Row[Any]) -> pb.Segment:
    return pb.Segment(
        id=row.id,
        name=row.name,
        tenant=row.tenant_id,
        segment_type=row.segment_type,
        description=row.description,
        definition=nullable(row.definition),
        status=row.status,
        is_active=row.is_active,
        member_count=row.member_count,
        last_computed_at=nullable_time(row.last_computed_at),
        last_error=nullable(row.last_error),
        version=row.version,
        refresh_minutes=nullable(row.refresh_minutes),
        created_at=whole_seconds(row.created_at),
        updated_at=whole_seconds(row.updated_at),
    )


def member_page(members: Members) -> pb.MemberPage:
    computed_at = whole_seconds(members.computed_at) if members.computed_at else None
    return pb.MemberPage(
        results=[
            pb.Member(user_id=user_id, computed_at=computed_at, entered_at=whole_seconds(entered_at))
            for user_id, entered_at in members.rows
        ],
        next_cursor=nullable(members.next_cursor),
        count=members.count,
    )


def user_segment_message(row: Row[Any]) -> pb.UserSegment:
    return pb.UserSegment(
        segment_id=row.id,
        segment_name=row.name,
        member_count=row.member_count,
        computed_at=whole_seconds(row.last_computed_at),
    )


def membership_message(user_id: str, entries: Sequence[Entry]) -> pb.Membership:
    return pb.Membership(
        user_id=user_id,
        segments=[
            pb.MembershipSegment(
                segment_id=entry.segment_id,
                segment_name=entry.segment_name,
                computed_at=whole_seconds(entry.computed_at),
                entered_at=whole_seconds(entry.entered_at),
            )
            for entry in entries
        ],
    )
